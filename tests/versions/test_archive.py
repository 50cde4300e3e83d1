"""Archives from other machines: what is taken in, and what is refused."""

import gzip
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from label_studio_ml.errors import UnknownVersion, VersionError
from label_studio_ml.versions import operations
from label_studio_ml.versions.archive import export, opened
from label_studio_ml.versions.retention import apply_retention
from label_studio_ml.versions.state.key_values import StoredState
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest
from label_studio_ml.versions.transfer import (
    HELD_BACK_REASON,
    copy,
    exported_manifest,
    import_version,
    lost_parent,
)

from .made import Made, P

OTHER = "3.1800000000"


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "there")


@pytest.fixture
def file(made: Made, tmp_path: Path) -> Path:
    """The archive of version b, whose parent is a, with paths and pairs of its machine."""
    made.add("a", state={"of a": str(made.store.folder(P, "id-a")), "n": "1"})
    folder = made.store.folder(P, "id-b")
    output = {"weights": str(folder / "weights"), "n": 2}
    made.add("b", train_output=output, state={"n": "2", "path": str(folder)}, events=["1-0"])
    path = export(made.store, made.store.versions(P)[1], tmp_path / "b.tar.gz")
    shutil.rmtree(made.folder)
    return path


@pytest.fixture
def here(tmp_path: Path) -> Made:
    return Made(tmp_path / "here")


def _import(made: Made, path: Path, uid: str = P, *, name: str = "") -> tuple[Manifest, bool]:
    with opened(path) as archive:
        return import_version(made.store, uid, archive.manifest, archive.extract, name=name)


@pytest.mark.parametrize("uid", [P, OTHER])
def test_a_version_from_another_machine(here: Made, file: Path, uid: str) -> None:
    version, new = _import(here, file, uid)
    assert new
    assert VersionStore(here.folder).versions(uid) == [version]
    folder = here.store.folder(uid, "id-b")
    assert (version.id, version.name, version.project, version.events) == ("id-b", "b", uid, [])
    assert version.train_output == {"weights": str(folder / "weights"), "n": 2}
    assert (folder / "weights").read_text() == "weights of b"
    assert here.store.damage(version, full=True) == ""
    assert here.served(uid) == ""
    assert StoredState(here.folder, uid).items() == {}
    operations.promote(here.store, here.folder, uid, "b")
    assert here.served(uid) == "b"
    pairs = StoredState(here.folder, uid).items()
    assert (pairs["n"], pairs["path"]) == ("2", str(folder)), "its own"
    assert pairs["of a"].startswith(str(here.folder)), "and those of the version before it"
    assert _import(here, file, uid) == (version, False), "a second time changes nothing"


def test_a_version_whose_manifest_lacks_sizes(made: Made, here: Made, tmp_path: Path) -> None:
    """Manifests did not have them at first."""
    made.add("a")
    path = made.store.folder(P, "id-a") / "manifest.json"
    fields = json.loads(path.read_text())
    del fields["sizes"]
    path.write_text(json.dumps(fields))
    [version] = VersionStore(made.folder).versions(P)
    assert version.sizes == {}
    taken, new = _import(here, export(VersionStore(made.folder), version, tmp_path / "a.tar.gz"))
    assert (taken.sizes, new) == ({"weights": 12}, True)


def _set_here(made: Made, uid: str = P) -> dict[str, str]:
    return StoredState(made.folder, uid).items()


def test_a_version_here_with_the_name_of_the_parent_is_another_one(here: Made, file: Path) -> None:
    folder = here.store.begin(P, "id-of-another")
    (folder / "weights").write_text("weights of another")
    here.store.publish(
        Manifest(
            id="id-of-another",
            name="a",
            fence=1,
            project=P,
            created="2026-01-01T00:00:00+00:00",
            state={"foreign": "1"},
        )
    )
    here.add("x")
    version, _ = _import(here, file)
    assert (version.parent, version.parent_id) == ("", "id-a")
    with opened(file) as archive:
        note = lost_parent(archive.manifest, version)
    assert note == "Version b has no parent now: a, from which it was trained, was not copied"
    operations.promote(here.store, here.folder, P, "b")
    assert "foreign" not in _set_here(here), "no pair of a version that it was not trained from"


def test_the_parent_is_the_version_with_its_id_whatever_its_name(made: Made, here: Made) -> None:
    made.add("a", state={"n": "1"})
    made.add("b", state={"m": "2"})
    one, two = made.store.versions(P)
    import_version(
        here.store, P, exported_manifest(made.store, one), _filled(made, one), name="a of elsewhere"
    )
    version, _ = copy(made.store, two, here.store, P)
    assert (version.parent, version.parent_id) == ("a of elsewhere", "id-a")
    assert lost_parent(two, version) == ""
    operations.promote(here.store, here.folder, P, "b")
    assert _set_here(here) == {"n": "1", "m": "2"}
    third = Made(here.folder.parent / "third")
    copied, _ = copy(here.store, version, third.store, P)
    assert (copied.parent, copied.parent_id) == ("", "id-a")
    again, _ = copy(third.store, copied, Made(here.folder.parent / "fourth").store, P)
    assert again.parent_id == "id-a", "it is known on the way through a place without the parent"


def _filled(made: Made, manifest: Manifest) -> Callable[[Path], None]:
    def fill(staged: Path) -> None:
        shutil.copyfile(made.weights(manifest.name), staged / "weights")

    return fill


def test_an_imported_version_takes_no_turn_from_what_is_trained(here: Made, file: Path) -> None:
    here.add_all("xy")
    fence = here.store.fence(P)
    version, _ = _import(here, file)
    assert here.served() == "y"
    assert here.store.fence(P) == fence, "a run that began before may still publish"
    assert version.gate == HELD_BACK_REASON
    here.add("z")
    assert here.served() == "z"
    assert apply_retention(here.store, P, 4) == []


@pytest.mark.parametrize("name", ["INITIAL", "0.0.1", "x" * 257, " ", "a\x1b"])
def test_names_that_no_version_may_have_here(here: Made, file: Path, name: str) -> None:
    with pytest.raises(VersionError, match="cannot name a version here") as caught:
        _import(here, file, name=name)
    assert caught.value.field == "--as"
    assert here.store.versions(P) == []


@pytest.mark.parametrize("absolute", [True, False])
def test_links_to_files_elsewhere_are_not_exported(made: Made, tmp_path: Path, absolute: bool) -> None:
    """Neither in an archive nor to another store; a link to a file of the version itself goes as a copy of it."""
    secret = tmp_path / "secret"
    secret.write_text("not yours")
    folder = made.store.begin(P, "id-x")
    (folder / "weights").write_text("mine")
    (folder / "latest").symlink_to("weights")
    (folder / "link").symlink_to(secret if absolute else Path("../../../../secret"))
    assert (folder / "link").read_text() == "not yours"
    version = made.store.publish(
        Manifest(id="id-x", name="x", project=P, fence=1, created="2026-01-01T00:00:00+00:00")
    )
    target = tmp_path / "x.tar.gz"
    with pytest.raises(
        VersionError, match=r"link is a link to .*secret, which is not in the version's folder"
    ):
        export(made.store, version, target)
    assert not target.exists()
    other = VersionStore(tmp_path / "other")
    with pytest.raises(VersionError, match="link is a link to"):
        copy(made.store, version, other, P)
    assert other.versions(P) == []

    (folder / "link").unlink()
    (folder / "link").write_text("not yours")
    export(made.store, version, target)
    with tarfile.open(target) as archive:
        assert all(member.isreg() for member in archive)
        latest = archive.extractfile("x/latest")
        assert latest is not None
        assert latest.read() == b"mine"


def test_names_and_ids_that_are_taken(here: Made, file: Path) -> None:
    _import(here, file)
    operations.promote(here.store, here.folder, P, "b")
    here.add("other")
    with pytest.raises(VersionError, match=r"another version 'other' already.*--as NAME"):
        _import(here, file, name="other")
    again, new = _import(here, file, name="b of before")
    assert new
    assert again.name == "b of before"
    assert again.id != "id-b"
    assert Path(again.train_output["weights"]).read_text() == "weights of b"
    assert Path(again.train_output["weights"]).parent.name == again.id
    operations.delete(here.store, P, ["id-b"])
    with pytest.raises(VersionError, match=r"Version b was deleted from the project.*--as NAME"):
        _import(here, file)
    with pytest.raises(UnknownVersion):
        operations.find(here.store, P, "id-b")
    _import(here, file, name="b-2")
    assert here.served() == "other"


def test_another_version_of_the_same_id_or_name_is_not_overwritten(here: Made, file: Path) -> None:
    folder = here.store.begin(P, "id-b")
    (folder / "weights").write_text("mine")
    made = Manifest(id="id-b", name="mine", fence=1, project=P, created="2026-01-01T00:00:00+00:00")
    here.store.publish(made)
    with pytest.raises(VersionError, match=r"Another version id-b exists already.*--as"):
        _import(here, file)
    assert (folder / "weights").read_text() == "mine"
    other = here.store.begin(P, "id-c")
    (other / "weights").write_text("named b")
    here.store.publish(msgspec.structs.replace(made, id="id-c", name="b", fence=2))
    assert _import(here, file, name="b 3")[0].name == "b 3"
    with pytest.raises(VersionError, match="another version 'b' already"):
        _import(here, file, name="b")
    assert (other / "weights").read_text() == "named b"


def test_an_archive_of_an_earlier_release(here: Made, file: Path, tmp_path: Path) -> None:
    """Its manifest has the paths of the machine that made it."""
    old = Path("/srv/old one/data/versions", P, "id-b")

    def change(fields: dict[str, Any]) -> None:
        fields["train_output"] = {"weights": str(old / "weights")}
        fields["state"] = {"path": f'["{old}"]'}
        fields["portable"] = False

    version, _ = _import(here, _rewritten(file, tmp_path, change), OTHER)
    folder = here.store.folder(OTHER, "id-b")
    assert version.train_output == {"weights": str(folder / "weights")}
    assert version.state == {"path": f'["{folder}"]'}


Members = list[tuple[tarfile.TarInfo, bytes]]


def _members(path: Path) -> Members:
    with tarfile.open(path) as archive:
        return [(one, (archive.extractfile(one) or io.BytesIO()).read()) for one in archive.getmembers()]


def _written(members: Members, path: Path) -> Path:
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for info, data in members:
            info.size = len(data) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(data))
    return path


def _rewritten(file: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Return the archive with another manifest."""
    members = _members(file)
    fields = msgspec.json.decode(members[0][1])
    change(fields)
    members[0] = (members[0][0], msgspec.json.encode(fields))
    return _written(members, tmp_path / "changed.tar.gz")


def _info(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def _renamed(name: str) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        members[1] = (_info(name), members[1][1])

    return change


def _added(info: tarfile.TarInfo, data: bytes = b"x") -> Callable[[Members], None]:
    return lambda members: members.append((info, data))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_renamed("b/../../evil"), "'b/../../evil' is not a path in a version's folder"),
        (_renamed("/etc/evil"), "'/etc/evil' is not a path in a version's folder"),
        (_renamed("b/./weights"), "'b/./weights' is not a path in a version's folder"),
        (_renamed("c/weights"), "'c/weights' is not in the version's folder"),
        (_renamed("weights"), "'weights' is not in the version's folder"),
        (_renamed("b/other"), "'other' is not in its manifest"),
        (_added(_info("b/extra")), "'extra' is not in its manifest"),
        (
            _added(_info("b/weights"), b"weights of b"),
            "'weights' is not in its manifest, or is in the archive twice",
        ),
        (_added(_info("b/link", tarfile.SYMTYPE, "/etc/passwd")), "'b/link' is not a regular file"),
        (_added(_info("b/link", tarfile.LNKTYPE, "b/weights")), "'b/link' is not a regular file"),
        (_added(_info("b/pipe", tarfile.FIFOTYPE)), "'b/pipe' is not a regular file"),
        (_added(_info("b/dir", tarfile.DIRTYPE)), "'b/dir' is not a regular file"),
        (lambda members: members.pop(0), "does not begin with a manifest.json"),
        (lambda members: members.clear(), "does not begin with a manifest.json"),
        (lambda members: members.pop(), "'weights' is missing"),
        (lambda members: members.__setitem__(1, (members[1][0], b"weights of x")), "its sha256 differs"),
        (lambda members: members.__setitem__(1, (members[1][0], b"x" * 99)), "has 99 bytes, 12 were written"),
        (lambda members: members.__setitem__(0, (members[0][0], b"{}")), "its manifest.json cannot be used"),
        (
            lambda members: members.__setitem__(0, (members[0][0], b"[" * 9999)),
            "manifest.json cannot be used",
        ),
        (lambda members: members.__setitem__(0, (members[0][0], b'{"id": "\xff"}')), "it is not UTF-8"),
    ],
)
def test_what_was_not_exported_is_refused(
    here: Made, file: Path, tmp_path: Path, change: Callable[[Members], None], why: str
) -> None:
    members = _members(file)
    change(members)
    _refused(here, _written(members, tmp_path / "bad.tar.gz"), why)


def _refused(here: Made, path: Path, why: str) -> None:
    with pytest.raises(VersionError) as caught:
        _import(here, path)
    assert why in caught.value.message
    assert here.store.versions(P) == []
    left = [one for one in here.folder.rglob("*") if one.is_file()]
    assert left == [], "nothing is left of it"
    assert not (here.folder.parent / "evil").exists()


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("id", "../../evil", "not an id of a version"),
        ("id", ".copy-x", "not an id of a version"),
        ("id", "changed", "not an id of a version"),
        ("id", "x.failed", "not an id of a version"),
        ("id", "", "not an id of a version"),
        ("name", " ", "not a name of a version"),
        ("name", "a\nb", "not a name of a version"),
        ("project", "", "is not the uid of a project"),
        ("files", {"../evil": "0"}, "'../evil' is not a path in a version's folder"),
        ("files", {"/evil": "0"}, "'/evil' is not a path in a version's folder"),
        ("files", {"manifest.json": "0"}, "'manifest.json' is not a path in a version's folder"),
        ("files", {"deleted.json": "0"}, "'deleted.json' is not a path in a version's folder"),
        ("sizes", {"weights": 1 << 60}, "are free"),
        ("sizes", {}, "does not give each file's size"),
        ("sizes", {"weights": 12, "less": -(1 << 60)}, "does not give each file's size"),
        ("sizes", {"weights": -12}, "does not give each file's size"),
        ("sizes", {"weights": 11}, "has 12 bytes, 11 were written"),
    ],
)
def test_a_manifest_that_no_export_writes(
    here: Made, file: Path, tmp_path: Path, field: str, value: Any, why: str
) -> None:
    _refused(here, _rewritten(file, tmp_path, lambda fields: fields.update({field: value})), why)


def test_a_disk_that_gets_full_meanwhile(
    here: Made, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = iter([100, 11])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=next(free)))
    _refused(here, file, "needs 12 bytes, and 11 are free")


def test_a_header_with_a_negative_size_is_refused(here: Made, file: Path, tmp_path: Path) -> None:
    """Followed, it would be read for ever."""
    members = _members(file)
    info = members[1][0]
    info.size = -512
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    path = tmp_path / "negative.tar.gz"
    with gzip.open(path, "wb") as target:
        target.write(
            members[0][0].tobuf() + members[0][1].ljust(-len(members[0][1]) % 512 + len(members[0][1]), b"\0")
        )
        target.write(header + bytes(2048))
    _refused(here, path, "negative.tar.gz")


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9])
def test_a_part_of_an_archive(here: Made, file: Path, tmp_path: Path, share: float) -> None:
    data = file.read_bytes()
    (tmp_path / "part.tar.gz").write_bytes(data[: int(len(data) * share)])
    _refused(here, tmp_path / "part.tar.gz", "part.tar.gz")


def test_other_files(here: Made, file: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello " * 1000)
    _refused(here, tmp_path / "text", "is not an archive of a version")
    (tmp_path / "zipped.gz").write_bytes(gzip.compress(b"hello " * 1000))
    _refused(here, tmp_path / "zipped.gz", "is not an archive of a version")
    _refused(here, tmp_path / "nowhere", "cannot be read: No such file")
    _refused(here, tmp_path, "cannot be read: Is a directory")


def test_a_header_that_grows_is_not_read(here: Made, tmp_path: Path) -> None:
    """A few kilobytes that unpack to a name of 256 MiB."""
    info = _info("././@PaxHeader", tarfile.XHDTYPE)
    info.size = 256 << 20
    path = tmp_path / "bomb.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(info.tobuf())
        for _ in range(256):
            file.write(bytes(1 << 20))
    _refused(here, path, "is not an archive of a version")
