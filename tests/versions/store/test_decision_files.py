"""Decisions that cannot be read: what was served stays served, or the project is refused. Nothing rejected returns."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from label_studio_ml.errors import DecisionError, RequestError, VersionError
from label_studio_ml.serving.registry.version_selection import VersionSelection
from label_studio_ml.storage import atomic_files
from label_studio_ml.versions.listing import entries
from label_studio_ml.versions.operations import delete, promote, rollback, unpin
from label_studio_ml.versions.retention import apply_retention
from label_studio_ml.versions.store.decision import Decision
from label_studio_ml.versions.store.decision_files import COPY, DECISION
from label_studio_ml.versions.store.local_store import VersionStore
from versions.made import Made, P

Break = Callable[[Path], None]


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _zeros(path: Path) -> None:
    path.write_bytes(b"\0" * 180)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:40] if path.exists() else b"{")


def _not_utf8(path: Path) -> None:
    path.write_bytes(b'{"version": "\xff", "fence": 1}')


def _other_types(path: Path) -> None:
    path.write_text('{"version": 7, "fence": "x"}')


def _deep(path: Path) -> None:
    path.write_text("[" * 100_000)


def _folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


DAMAGES = (_empty, _zeros, _cut, _not_utf8, _other_types, _deep, _folder)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Versions a, b and c; c was rejected: b is served."""
    made = Made(tmp_path)
    made.add_all("abc")
    rollback(made.store, made.folder, P)
    assert made.served() == "b"
    return made


def _files(made: Made) -> tuple[Path, Path]:
    return made.store.folder(P) / DECISION, made.store.folder(P) / COPY


@pytest.mark.parametrize("damage", [*DAMAGES, Path.unlink])
def test_the_copy_is_used(made: Made, damage: Break, caplog: pytest.LogCaptureFixture) -> None:
    damage(_files(made)[0])
    store = VersionStore(made.folder)
    for _ in range(3):
        served = store.served(P)
        assert served is not None
        assert served.name == "b"
    assert caplog.text.count("its copy is used") == 1
    assert "its copy is used" in store.decision_problem(P)
    promote(store, made.folder, P, "a")
    assert store.decision_problem(P) == ""
    assert made.served() == "a"


@pytest.mark.parametrize("damage", DAMAGES)
def test_where_both_are_damaged_the_project_is_refused(made: Made, damage: Break) -> None:
    for file in _files(made):
        damage(file)
    store = VersionStore(made.folder)
    for ask in (store.served, store.line, store.decision):
        with pytest.raises(
            DecisionError, match=r"served\.json cannot be used: it is .*label-studio-ml promote"
        ):
            ask(P)
    with pytest.raises(DecisionError):
        rollback(store, made.folder, P)
    with pytest.raises(DecisionError):
        unpin(store, made.folder, P)
    with pytest.raises(DecisionError):
        delete(store, P, ["a"])
    assert apply_retention(store, P, 1) == []
    assert {one.state for one in entries(store, P)} == {"ready"}
    assert made.names() == "abc"
    promote(store, made.folder, P, "b")
    assert made.served() == "b"
    assert [one.name for one in entries(store, P) if one.state == "served"] == ["b"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_process_that_knew_goes_on(made: Made, damage: Break, caplog: pytest.LogCaptureFixture) -> None:
    for file in _files(made):
        damage(file)
    for _ in range(3):
        served = made.store.served(P)
        assert served is not None
        assert served.name == "b"
    assert caplog.text.count("The decision that was read last stays in force") == 1
    assert made.store.decision_problems


def test_a_decision_of_an_earlier_release_gets_its_copy(made: Made) -> None:
    file, copy = _files(made)
    copy.unlink()
    assert made.served() == "b"
    assert copy.read_bytes() == file.read_bytes()
    file.unlink()
    assert made.served() == "b"


def _older_release_promotes(made: Made, name: str) -> None:
    """Write the decision alone, as releases before the copy do."""
    before = made.store.decision(P)
    assert before is not None
    decision = Decision(
        version=f"id-{name}", fence=before.fence, before=["id-b"], at="9999-01-01T00:00:00+00:00"
    )
    decision.write(_files(made)[0])


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_copy_follows_what_an_older_release_decided(made: Made, damage: Break) -> None:
    _older_release_promotes(made, "a")
    assert made.served() == "a"
    damage(_files(made)[0])
    assert made.served() == "a"


@pytest.mark.parametrize("damage", [*DAMAGES, Path.unlink])
def test_an_earlier_copy_takes_no_place_of_what_a_process_knows(made: Made, damage: Break) -> None:
    file, copy = _files(made)
    earlier = copy.read_bytes()
    _older_release_promotes(made, "a")
    knows, served = VersionStore(made.folder), []
    served.append(knows.served(P))
    copy.write_bytes(earlier)
    damage(file)
    served.append(knows.served(P))
    assert [one.name for one in served if one] == ["a", "a"]
    Decision(version="id-c", fence=3, at="9999-12-31T00:00:00+00:00").write(copy)
    found = knows.served(P)
    assert found is not None
    assert found.name == "c", "a later copy does"


def test_a_project_with_a_folder_for_a_decision_can_be_deleted(made: Made) -> None:
    for file in _files(made):
        _folder(file)
    made.store.delete_project(P)
    assert not made.store.folder(P).exists()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_version_named_by_the_settings_is_served_whatever_was_decided(made: Made, damage: Break) -> None:
    for file in _files(made):
        damage(file)
    served = VersionStore(made.folder, pin="c").served(P)
    assert served is not None
    assert served.name == "c"
    for pin, bad in (("none such", ()), ("c", ("id-c",))):
        with pytest.raises(DecisionError):
            VersionStore(made.folder, pin=pin).served(P, failed_ids=bad)
    assert "served.json" in VersionStore(made.folder, pin="c").decision_problem(P)


def test_both_files_removed_is_no_decision(made: Made) -> None:
    for file in _files(made):
        file.unlink()
    assert made.served() == "c"


def test_a_decision_that_cannot_be_written_leaves_the_one_before(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(atomic_files, "replace_file", full)
    with pytest.raises(VersionError, match="No space left"):
        promote(made.store, made.folder, P, "c")
    served = made.store.served(P)
    assert served is not None
    assert served.name == made.served() == "b"


# A decision that names a version which is gone


def _lose(made: Made, name: str) -> None:
    (made.weights(name).parent / "manifest.json").unlink()


def test_where_the_version_is_gone_the_one_served_before_it_is(
    made: Made, caplog: pytest.LogCaptureFixture
) -> None:
    _lose(made, "b")
    assert made.served() == "a"
    assert f"Version id-b, which project {P} is to be served, is missing or damaged" in caplog.text


def test_one_in_a_folder_that_cannot_be_read_counts_as_gone(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    _lose(made, "b")
    looked = Path.stat

    def refused(path: Path, **how: bool) -> os.stat_result:
        if path.parent == made.weights("b").parent:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return looked(path, **how)

    monkeypatch.setattr(Path, "stat", refused)
    assert made.served() == "a"
    assert made.store.unreadable(P) == []


def test_where_no_other_was_served_the_project_is_refused(tmp_path: Path) -> None:
    made = Made(tmp_path)
    made.add_all("AB")
    promote(made.store, made.folder, P, "a")
    _lose(made, "a")
    with pytest.raises(
        DecisionError, match=r"Version id-a, which project .* is missing or damaged.*label-studio-ml promote"
    ):
        made.served()
    assert "id-a" in VersionStore(made.folder).decision_problem(P)
    promote(VersionStore(made.folder), made.folder, P, "b")
    assert made.served() == "b"


def test_a_newer_one_takes_no_place_of_a_pinned_one_that_is_gone(tmp_path: Path) -> None:
    made = Made(tmp_path)
    made.add_all("ab")
    promote(made.store, made.folder, P, "b", pinned=True)
    made.add_all("c")
    _lose(made, "b")
    assert made.served() == "a"


def test_a_version_that_was_deleted_is_not_gone(made: Made) -> None:
    made.add_all("d")
    delete(made.store, P, ["b"])
    assert made.store.lost(P) == ""
    assert made.served() == "d"


# A running server


def test_a_server_keeps_what_it_serves(made: Made, caplog: pytest.LogCaptureFixture) -> None:
    wanted = VersionSelection(made.store)

    def looks() -> str:
        made.store.announce(P)
        assert wanted.changed([P]) == [P]
        found = wanted.manifest(P)
        return found.name if found else ""

    assert wanted.manifest(P) is not None
    for file in _files(made):
        _empty(file)
    assert [looks(), looks()] == ["b", "b"]
    promote(made.store, made.folder, P, "a")
    assert looks() == "a"
    _lose(made, "a")
    assert [looks(), looks()] == ["a", "a"]
    assert caplog.text.count("version a stays served, though its files are gone") == 1
    promote(made.store, made.folder, P, "b")
    assert looks() == "b"
    manifest = wanted.manifest(P)
    assert manifest is not None
    _lose(made, "b")
    wanted.failed(P, manifest, "its files are gone")
    with pytest.raises(DecisionError, match=r"Version id-b, which project .* is missing"):
        wanted.manifest(P)


def test_a_hint_that_cannot_be_read_is_no_change(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with too many open files, which other tests make really; here only the answer of the system is made up."""
    wanted = VersionSelection(made.store)
    before = wanted.manifest(P)
    read = Path.read_bytes

    def refused(path: Path) -> bytes:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(Path, "read_bytes", refused)
    assert made.store.hint(P) is None
    assert wanted.changed([P]) == []
    assert wanted.manifest(P) == before
    wanted.renew(P)
    assert wanted.manifest(P) == before, "neither is a decision that cannot be read"
    with pytest.raises(VersionError, match="Too many open files"):
        VersionStore(made.folder).served(P)
    monkeypatch.setattr(Path, "read_bytes", read)
    made.store.announce(P)
    assert wanted.changed([P]) == [P]


def test_too_many_open_files(made: Made) -> None:
    """With as many open files as the process may have, which version is served does not change, whatever is asked."""
    resource = pytest.importorskip("resource")
    wanted = VersionSelection(made.store)
    before = wanted.manifest(P)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    try:
        while True:
            try:
                taken.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                break
        assert wanted.changed([P]) == []
        wanted.renew(P)
        assert wanted.manifest(P) == before
        assert before is not None
    finally:
        for one in taken:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    made.store.announce(P)
    assert wanted.changed([P]) == [P]
    assert wanted.manifest(P) == before


# Other small files of a project


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_note_of_a_version_that_does_not_load(made: Made, damage: Break) -> None:
    made.store.record_failure(P, "id-b", "no memory")
    damage(made.store.folder(P) / "id-b.failed")
    assert made.store.failures(P).keys() == {"id-b"}
    assert made.served() == "a"
    made.store.clear_failure(P, "id-b")


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_hint(made: Made, damage: Break) -> None:
    damage(made.store.folder(P) / "changed")
    wanted = VersionSelection(made.store)
    wanted.manifest(P)
    assert wanted.changed([P]) == []


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_manifest_is_no_version(made: Made, damage: Break) -> None:
    damage(made.store.folder(P, "id-a") / "manifest.json")
    assert made.names() == "bc"
    assert made.served() == "b"
    assert VersionStore(made.folder).unreadable(P) == ["id-a"]
    with pytest.raises(RequestError):
        rollback(VersionStore(made.folder), made.folder, P)
