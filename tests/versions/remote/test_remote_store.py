"""Versions in a real S3 server, seen from several machines, which are folders here."""

import hashlib
import json
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import requests

from e2e.processes import wait_until
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import DecisionError, SettingsError, StaleFence, StoreError, VersionError
from label_studio_ml.versions import operations
from label_studio_ml.versions.factory import check_store, open_store
from label_studio_ml.versions.listing import entries
from label_studio_ml.versions.project_copy import duplicate
from label_studio_ml.versions.remote import store_watch
from label_studio_ml.versions.remote.remote_store import RemoteStore
from label_studio_ml.versions.remote.uploads import Uploads
from label_studio_ml.versions.retention import apply_retention
from label_studio_ml.versions.state.key_values import StoredState
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest
from s3_server import BUCKET, S3Server, s3
from versions.made import P

__all__ = ["s3"]

Machine = Callable[..., RemoteStore]


@pytest.fixture
def machine(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """Return the store as one machine sees it; the same name is the same disk."""
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    made: list[RemoteStore] = []

    def of(name: str, **options: Any) -> RemoteStore:
        made.append(RemoteStore(s3.url, tmp_path / name, **{"publish_timeout": 0.5, **options}))
        return made[-1]

    yield of
    for store in made:
        store.stop()


def _publish(
    store: RemoteStore,
    name: str,
    *,
    fence: int = 0,
    text: str = "",
    events: Sequence[str] = (),
    **options: Any,
) -> Manifest:
    fence = fence or max(store.fence(P), 0) + 1
    folder = store.begin(P, f"id-{name}")
    (folder / "deep").mkdir()
    (folder / "deep" / "weights of it.bin").write_text(text or f"weights of {name}")
    path = str(folder / "deep" / "weights of it.bin")
    made = Manifest(
        id=f"id-{name}",
        name=name,
        project=P,
        fence=fence,
        created="2026-01-01T00:00:00+00:00",
        train_output={"weights": path, "list": [path]},
        state={"path": path, f"only-{name}": name},
        events=list(events),
    )
    return store.publish(made, **options)


def _weights(store: RemoteStore) -> str:
    manifest = store.loadable(P, ())
    return Path(manifest.train_output["weights"]).read_text() if manifest else ""


def test_a_version_is_fetched_by_another_machine_with_its_paths_and_pairs(
    machine: Machine, s3: S3Server, tmp_path: Path
) -> None:
    _publish(machine("worker"), "a")
    server = machine("server")
    assert server.needs_sync(P)
    server.synchronise(P)
    assert not server.needs_sync(P)
    served = server.loadable(P, ())
    assert served is not None
    path = server.folder(P, "id-a") / "deep" / "weights of it.bin"
    assert served.train_output == {"weights": str(path), "list": [str(path)]}
    assert path.read_text() == "weights of a"
    assert StoredState(tmp_path / "server", P).items() == {"path": str(path), "only-a": "a"}
    assert hashlib.sha256(path.read_bytes()).hexdigest() == served.files["deep/weights of it.bin"]
    assert server.projects() == [P]
    assert sorted(one.name for one in s3.objects.iterdir()) == ["changed", "hints", "versions"]


def test_the_watching_thread_has_new_versions_and_decisions_here_within_seconds(machine: Machine) -> None:
    worker, server = machine("worker"), machine("server")
    server.start()
    server.synchronise(P)
    assert server.loadable(P, ()) is None
    before = server.hint(P)
    _publish(worker, "a")
    wait_until(lambda: _weights(server) == "weights of a", "a is here")
    wait_until(lambda: server.hint(P) != before, "loaded models hear of it")
    _publish(worker, "b")
    wait_until(lambda: _weights(server) == "weights of b", "b is here")
    operations.promote(machine("third"), machine("third").model_dir, P, "a", pinned=True)
    wait_until(lambda: _weights(server) == "weights of a", "a is back")
    wait_until(lambda: "only-b" not in StoredState(server.model_dir, P).items(), "its pairs are back")
    operations.delete(machine("third"), P, ["b"])
    wait_until(lambda: [one.name for one in server.versions(P)] == ["a"], "b is gone")
    assert [one.name for one in machine("fourth").history(P)] == []
    fourth = machine("fourth")
    fourth.synchronise(P)
    assert [one.name for one in fourth.history(P)] == ["a", "b"]


def test_a_decision_that_the_store_has_damaged(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    worker, server = machine("worker"), machine("server")
    for name in "abc":
        _publish(worker, name)
    operations.promote(worker, worker.model_dir, P, "a")
    server.synchronise(P)
    meta, copy = f"versions/{P}/meta/served.json", f"versions/{P}/decided/served.json"
    for damaged in (b"", b"\xff\xfe", b'{"version": 1}'):
        worker.artifacts.put(meta, damaged)
        other = machine(f"other-{len(damaged)}")
        other.synchronise(P)
        assert _weights(other) == "weights of a", "the store's copy is used"
    worker.artifacts.put(copy, b"{")
    for one in (machine("server"), server):  # they knew it before
        one.synchronise(P)
        assert _weights(one) == "weights of a"
    assert "meta/served.json is damaged or missing: it is not used" in caplog.text
    late = machine("late")
    with pytest.raises(DecisionError):
        late.synchronise(P)
    with pytest.raises(DecisionError):
        late.loadable(P, ())
    operations.promote(worker, worker.model_dir, P, "b")
    for one in (late, server, machine("other-0")):
        one.synchronise(P)
        assert _weights(one) == "weights of b"


def test_a_decision_that_only_the_stores_copy_has(machine: Machine) -> None:
    worker, server = machine("worker"), machine("server")
    for name in "abc":
        _publish(worker, name)
    operations.promote(worker, worker.model_dir, P, "a")
    server.synchronise(P)
    meta, copy = f"versions/{P}/meta/served.json", f"versions/{P}/decided/served.json"
    text = worker.artifacts.get(meta)
    assert text
    worker.artifacts.delete([meta])
    for one in (server, machine("server"), machine("new")):
        one.synchronise(P)
        assert _weights(one) == "weights of a"
    worker.artifacts.put(copy, b"{")
    server.synchronise(P)
    assert _weights(server) == "weights of a"
    with pytest.raises(DecisionError):
        machine("late").synchronise(P)
    worker.artifacts.delete([copy])
    server.synchronise(P)
    assert server.decision(P) is None
    assert _weights(server) == "weights of c"


def test_the_stores_copy_follows_what_an_older_release_decided(machine: Machine) -> None:
    worker, server = machine("worker"), machine("server")
    for name in "abc":
        _publish(worker, name)
    meta, copy = f"versions/{P}/meta/served.json", f"versions/{P}/decided/served.json"
    operations.promote(worker, worker.model_dir, P, "a")
    earlier = worker.artifacts.get(copy)
    assert earlier
    operations.promote(worker, worker.model_dir, P, "b")
    worker.artifacts.put(copy, earlier)  # older releases do not write it
    server.synchronise(P)
    assert worker.artifacts.get(copy) == worker.artifacts.get(meta)
    worker.artifacts.put(copy, earlier)
    worker.artifacts.put(meta, b"")
    for one in (server, machine("server")):
        one.synchronise(P)
        assert _weights(one) == "weights of b", "what is known here is later than the copy"
    worker.delete_project(P)
    assert worker.artifacts.names(f"versions/{P}", deep=True) == []


def test_a_decision_in_other_words_is_the_same(machine: Machine) -> None:
    worker, server = machine("worker"), machine("server")
    _publish(worker, "a")
    operations.promote(worker, worker.model_dir, P, "a")
    server.synchronise(P)
    meta = f"versions/{P}/meta/served.json"
    worker.artifacts.put(meta, json.dumps(json.loads(worker.artifacts.get(meta) or b"")).encode() + b"\n")
    before = (server.folder(P) / "served.json").stat().st_ino
    for _ in range(2):
        server.synchronise(P)
    assert (server.folder(P) / "served.json").stat().st_ino == before
    (server.folder(P) / "served.json").write_bytes(b"")
    server.synchronise(P)
    assert VersionStore(server.cache_folder).decision(P) == worker.decision(P), (
        "a damaged one is written again"
    )
    assert VersionStore(server.cache_folder).decision_problem(P) == ""


def test_a_store_says_at_once_which_decisions_here_cannot_be_read(
    machine: Machine, s3: S3Server, caplog: pytest.LogCaptureFixture
) -> None:
    worker = machine("worker")
    _publish(worker, "a")
    operations.promote(worker, worker.model_dir, P, "a")
    for name in ("served.json", "served.json.copy"):
        (worker.folder(P) / name).write_bytes(b"")
    s3.kill()
    machine("worker").start()
    assert "cannot be used: it is empty" in caplog.text


def test_what_is_not_what_was_written_is_refused_and_the_one_before_stays(machine: Machine) -> None:
    worker, server = machine("worker"), machine("server")
    _publish(worker, "a")
    server.synchronise(P)
    _publish(worker, "b")
    stored = f"versions/{P}/files/id-b/deep/weights of it.bin"
    good = worker.artifacts.get(stored)
    assert good
    worker.artifacts.put(stored, b"w" * len(good))
    server.synchronise(P)
    assert _weights(server) == "weights of a"
    served = server.served(P)
    assert served is not None
    assert served.name == "a"
    listed = {one.name: (one.state, one.note) for one in entries(server, P)}
    assert listed["b"] == (
        "damaged",
        "deep/weights of it.bin was changed after it was written (its sha256 differs)",
    )
    with pytest.raises(VersionError, match="sha256 differs"):
        operations.promote(server, server.model_dir, P, "b")
    worker.artifacts.delete([stored])
    server.synchronise(P)
    assert _weights(server) == "weights of a"
    worker.artifacts.put(stored, good)
    server.synchronise(P)
    assert _weights(server) == "weights of b"


@pytest.mark.parametrize("content", [b'{"id": "\xff"}', b"", b"[" * 9999, b"{}"])
def test_a_damaged_manifest_in_the_store_is_named_and_the_one_before_is_served(
    machine: Machine, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    worker, server = machine("worker"), machine("server")
    _publish(worker, "a")
    worker.artifacts.put(f"versions/{P}/meta/id-b.json", content)
    server.synchronise(P)
    assert _weights(server) == "weights of a"
    assert "meta/id-b.json is not used, so this version is not served: it is " in caplog.text


def test_a_late_run_on_another_machine_is_refused(machine: Machine) -> None:
    one, two = machine("one"), machine("two")
    _publish(one, "a", fence=2)
    with pytest.raises(StaleFence):
        _publish(two, "b", fence=1)
    fresh = machine("fresh")
    fresh.synchronise(P)
    assert [known.name for known in fresh.history(P)] == ["a"]


def test_of_two_runs_of_the_same_events_the_later_is_served_if_one_hung_between_look_and_put(
    machine: Machine,
) -> None:
    one, two, server = machine("one"), machine("two"), machine("server")
    one.synchronise(P)
    commit = one.uploads.commit

    def hanging(*arguments: Any) -> None:
        _publish(two, "b", fence=2, events=["e1"])
        commit(*arguments)

    one.uploads.commit = hanging  # type: ignore[assignment,method-assign]
    _publish(one, "a", fence=1, events=["e1"])
    server.synchronise(P)
    assert [known.name for known in server.history(P)] == ["a", "b"], "docs/production.md says so"
    assert _weights(server) == "weights of b"


def test_publishing_waits_for_the_store_and_half_of_it_is_never_seen(machine: Machine, s3: S3Server) -> None:
    worker, server = machine("worker", publish_timeout=60.0), machine("server")
    _publish(worker, "a")
    server.synchronise(P)
    fence = 2
    commit, reached, go_on = worker.uploads.commit, threading.Event(), threading.Event()

    def pausing(*arguments: Any) -> None:
        reached.set()
        assert go_on.wait(120)
        commit(*arguments)

    worker.uploads.commit = pausing  # type: ignore[assignment,method-assign]
    thread = threading.Thread(target=_publish, args=(worker, "b"), kwargs={"fence": fence})
    thread.start()
    assert reached.wait(120)
    server.synchronise(P)
    assert _weights(server) == "weights of a"
    s3.kill()
    go_on.set()
    with pytest.raises(StoreError) as away:
        server.synchronise(P)
    assert away.value.passing
    assert server.servable_offline(P)
    assert _weights(server) == "weights of a"
    s3.start()
    thread.join(120)
    server.synchronise(P)
    assert _weights(server) == "weights of b"


def test_a_store_that_stays_away_fails_the_publication_and_its_rest_is_removed_later(
    machine: Machine, s3: S3Server
) -> None:
    worker = machine("worker")
    worker.synchronise(P)
    send, files = worker.uploads.upload, s3.objects / "versions" / P / "files"

    def sent(*arguments: Any) -> None:
        send(*arguments)
        s3.kill()

    worker.uploads.upload = sent  # type: ignore[assignment,method-assign]
    with pytest.raises(StoreError, match="at the moment") as error:
        _publish(worker, "a", fence=1)
    assert error.value.passing
    worker.discard(P, "id-a")
    assert worker.newest(P) is None
    s3.start()
    assert list(files.rglob("*.bin"))
    worker.discard(P, "id-a")
    assert not list(files.rglob("*.bin"))
    fresh = machine("fresh")
    fresh.synchronise(P)
    assert fresh.history(P) == []


def test_publishing_looks_again_for_a_faster_run_when_the_store_is_back(
    machine: Machine, s3: S3Server
) -> None:
    worker, server = machine("worker", publish_timeout=60.0), machine("server")
    worker.synchronise(P)
    send, sync, looks = worker.uploads.upload, worker.mirror.sync, 0

    def sent(*arguments: Any) -> None:
        send(*arguments)
        s3.kill()

    def looking(uid: str) -> None:
        nonlocal looks
        looks += 1
        sync(uid)

    worker.uploads.upload, worker.mirror.sync = sent, looking  # type: ignore[assignment,method-assign]
    thread = threading.Thread(target=_publish, args=(worker, "a"), kwargs={"fence": 1})
    thread.start()
    wait_until(lambda: looks > 1, "it looks again", 30)
    s3.start()
    thread.join(60)
    server.synchronise(P)
    assert _weights(server) == "weights of a"


def test_events_that_another_run_has_published_are_not_published_again(machine: Machine) -> None:
    one, two = machine("one"), machine("two")
    _publish(one, "a", fence=1, events=["e1", "e2"])
    with pytest.raises(StaleFence, match="a holds events"):
        _publish(two, "b", fence=2, events=["e2"])
    _publish(two, "c", fence=3, events=["e3"])
    assert [known.name for known in one.refreshed_history(P)] == ["a", "c"]


def test_a_store_that_goes_away_while_a_version_is_fetched(machine: Machine, s3: S3Server) -> None:
    server = machine("server")
    _publish(machine("worker"), "a")
    server.synchronise(P)
    _publish(machine("worker"), "b")
    get_file = server.artifacts.get_file

    def dies(name: str, path: Path) -> None:
        s3.kill()
        get_file(name, path)

    server.artifacts.get_file = dies  # type: ignore[method-assign]
    with pytest.raises(StoreError):
        server.synchronise(P)
    assert _weights(server) == "weights of a"
    server.artifacts.get_file = get_file  # type: ignore[method-assign]
    s3.start()
    server.start()
    wait_until(lambda: _weights(server) == "weights of b", "it heals by itself")
    wait_until(lambda: not server.problem, "nothing is wrong any more")
    assert not [path for path in (server.cache_folder / "fetching").iterdir() if path.name != ".lock"]


def test_a_machine_that_starts_while_the_store_is_away_serves_what_it_has(
    machine: Machine, s3: S3Server
) -> None:
    _publish(machine("worker"), "a")
    machine("server").synchronise(P)
    s3.kill()
    again = machine("server")
    with pytest.raises(StoreError):
        again.synchronise(P)
    assert again.servable_offline(P)
    assert _weights(again) == "weights of a"
    assert not machine("empty").servable_offline(P)
    again.start()
    wait_until(lambda: "at the moment" in again.problem, "it says what is wrong")
    s3.start()
    _publish(machine("worker"), "b")
    wait_until(lambda: _weights(again) == "weights of b", "it heals by itself")


def test_the_cache_is_bounded_and_what_is_served_stays(machine: Machine) -> None:
    worker, server = machine("worker"), machine("server", max_bytes=250)
    for name in "abcd":
        _publish(worker, name, text=name * 100)
        server.synchronise(P)
    here = [one.name for one in server.versions(P) if server.mirror.is_complete(one)]
    assert here == ["c", "d"]
    operations.promote(server, server.model_dir, P, "a")
    assert _weights(server) == "a" * 100
    assert [one.state for one in entries(server, P)] == ["ready", "ready", "ready", "served"]


def test_the_served_version_stays_here_below_two_that_do_not_load(machine: Machine) -> None:
    other = "9.1700000000"
    worker, server = machine("worker"), machine("server", max_bytes=350)
    for name in "abc":
        _publish(worker, name, text=name * 100)
        server.synchronise(P)
    for name in "bc":
        worker.record_failure(P, f"id-{name}", "it is broken")
    wait_until(lambda: _served_elsewhere(server) == "a" and len(server.failures(P)) == 2, "it is known")
    copy = duplicate(worker, worker.model_dir, P, other)
    assert copy is not None
    server.synchronise(other)
    served = server.loadable(P, server.failures(P))
    assert served is not None
    assert served.name == "a"


def test_what_was_fetched_in_part_leaves_first(machine: Machine) -> None:
    worker, server = machine("worker"), machine("server", max_bytes=350)
    for name in "abcd":
        _publish(worker, name, text=name * 100)
    for one in server.refreshed_history(P)[:3]:
        server.fetch(one)
    folder, left = server.folder(P, "id-b"), server.cache_folder / "fetching" / "0123456789abcdef"
    (folder / "deep" / "weights of it.bin").write_text("b" * 90)
    left.mkdir()
    (left / "file").write_text("of a process that was killed")
    server.synchronise(P)
    assert not left.exists()
    assert [one.name for one in server.versions(P) if server.mirror.is_complete(one)] == ["a", "c", "d"]
    assert not (folder / "deep").exists(), "the least recently used one is complete, and stays"


def test_files_of_other_folders_are_not_written(machine: Machine) -> None:
    _publish(machine("worker"), "a")
    objects, meta = machine("thief").artifacts, f"versions/{P}/meta/id-a.json"
    manifest = json.loads(objects.get(meta) or b"")
    manifest["files"]["../../../escaped"] = manifest["files"]["deep/weights of it.bin"]
    objects.put(meta, json.dumps(manifest).encode())
    server = machine("server")
    server.synchronise(P)
    assert server.loadable(P, ()) is None
    assert not list(server.model_dir.parent.rglob("escaped"))


def test_old_versions_are_deleted_everywhere(machine: Machine, s3: S3Server) -> None:
    worker, server = machine("worker"), machine("server")
    for name in "abcd":
        _publish(worker, name)
        server.synchronise(P)
    assert [one.name for one in apply_retention(worker, P, 2)] == ["a", "b"]
    server.synchronise(P)
    assert [one.name for one in server.versions(P)] == ["c", "d"]
    assert not (server.folder(P, "id-a") / "deep").exists()
    assert sorted(path.name for path in (s3.objects / "versions" / P / "files").iterdir()) == ["id-c", "id-d"]
    worker.delete_project(P)
    assert machine("fresh").projects() == []


def test_what_was_deleted_is_not_served_from_a_copy_on_another_machine(
    machine: Machine, s3: S3Server
) -> None:
    worker, server, off = machine("worker"), machine("server"), machine("off")
    for name in "ab":
        _publish(worker, name)
        server.synchronise(P)
    off.synchronise(P)
    server.start()
    folder = server.folder(P, "id-b")
    assert (folder / "deep").exists()
    s3.kill()
    shutil.rmtree(s3.objects / "versions" / P / "files" / "id-b")
    (s3.objects / "versions" / P / "meta" / "id-b.json").unlink()
    s3.start()
    worker.announce(P)
    wait_until(lambda: _weights(server) == "weights of a", "b is gone", 30)
    wait_until(lambda: not folder.exists(), "its files, too")
    machine("third").delete_project(P)
    wait_until(lambda: server.versions(P) == [], "the project is gone", 30)
    assert server.served(P) is None
    assert server.decision(P) is None
    assert not list(server.folder(P).rglob("*.bin"))
    again = machine("off")
    assert again.servable_offline(P), "nobody told it yet"
    again.start()
    wait_until(lambda: again.history(P) == [], "it hears of it at the first look", 30)


def test_what_another_store_or_a_folder_holds_is_kept_apart(
    machine: Machine, s3: S3Server, tmp_path: Path
) -> None:
    folder = VersionStore(tmp_path / "server")
    own = folder.begin(P, "id-own")
    (own / "file").touch()
    folder.publish(Manifest(id="id-own", name="own", project=P, fence=9, created="2026-01-01T00:00:00+00:00"))
    _publish(machine("worker"), "a")
    server, other = machine("server"), RemoteStore(f"{s3.url}/other", tmp_path / "server")
    for store in (server, other):
        store.synchronise(P)
    assert [one.name for one in server.history(P)] == ["a"]
    assert other.history(P) == []
    assert [one.name for one in folder.versions(P)] == ["own"]


def test_a_version_that_does_not_load_is_known_elsewhere(machine: Machine) -> None:
    one, two = machine("one"), machine("two")
    _publish(one, "a")
    _publish(one, "b")
    one.record_failure(P, "id-b", "it is broken")
    wait_until(lambda: _served_elsewhere(two) == "a", "the other machine knows")
    assert two.failures(P) == {"id-b": "it is broken"}
    one.clear_failure(P, "id-b")
    wait_until(lambda: _served_elsewhere(two) == "b", "the other machine knows")


def test_a_failure_to_load_is_kept_until_the_store_has_it(machine: Machine) -> None:
    one, other = machine("one", publish_timeout=60.0), machine("two")
    for name in "ab":
        _publish(one, name)
    put, go_on = one.artifacts.put, threading.Event()

    def waiting(*arguments: Any, **options: Any) -> None:
        assert go_on.wait(120)
        put(*arguments, **options)

    one.artifacts.put = waiting  # type: ignore[method-assign]
    one.record_failure(P, "id-b", "it is broken")
    for store in (one, machine("one")):  # another process of the machine synchronises, too
        assert _served_elsewhere(store) == "a"
        assert store.failures(P) == {"id-b": "it is broken"}
    go_on.set()
    wait_until(lambda: _served_elsewhere(other) == "a", "the other machine knows")
    other.clear_failure(P, "id-b")
    wait_until(lambda: _served_elsewhere(one) == "b", "what the store had and has no more goes from here")


def test_a_failure_to_load_that_did_not_reach_the_store_is_sent_by_the_next_process(
    machine: Machine, s3: S3Server, caplog: pytest.LogCaptureFixture
) -> None:
    one = machine("one")
    for name in "ab":
        _publish(one, name)
    s3.kill()
    one.record_failure(P, "id-b", "it is broken")
    wait_until(lambda: "is not recorded in the store" in caplog.text, "it is given up", 60)
    s3.start()
    again = machine("one")
    assert _served_elsewhere(again) == "a"
    assert _served_elsewhere(machine("two")) == "a"
    again.clear_failure(P, "id-b")
    wait_until(lambda: _served_elsewhere(again) == "b", "it is cleared in the store, too")
    assert not list(again.folder(P).glob("*failed*")), "nothing is left of it"


def test_a_failure_to_load_is_sent_once_the_store_is_back(
    machine: Machine, s3: S3Server, caplog: pytest.LogCaptureFixture
) -> None:
    one = machine("one")
    for name in "ab":
        _publish(one, name)
    one.synchronise(P)
    one.start()
    s3.kill()
    one.record_failure(P, "id-b", "it is broken")
    wait_until(lambda: "is not recorded in the store" in caplog.text, "it is given up", 60)
    s3.start()
    wait_until(lambda: _served_elsewhere(machine("two")) == "a", "the other machine knows", 60)


def test_a_failure_to_load_that_the_store_refuses_is_sent_later(
    machine: Machine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = machine("one")
    for name in "ab":
        _publish(one, name)

    def refused(*_: Any, **__: Any) -> None:
        raise StoreError("it is read-only")

    with monkeypatch.context() as patch:
        patch.setattr(one.artifacts, "put", refused)
        one.record_failure(P, "id-b", "it is broken")
        wait_until(
            lambda: "is not recorded in the store: it is read-only" in caplog.text, "it is given up", 60
        )
        assert _served_elsewhere(one) == "a", "its copy is synchronised all the same"
    assert _served_elsewhere(one) == "a"
    assert _served_elsewhere(machine("two")) == "a"


def test_servers_on_this_disk_are_told_before_a_store_that_is_away(machine: Machine) -> None:
    worker = machine("worker")
    _publish(worker, "a")
    before, seen = worker.hint(P), list[str | None]()

    def away(*_: Any, **__: Any) -> None:
        seen.append(worker.hint(P))
        raise StoreError("it is away")

    worker.artifacts.put = away  # type: ignore[method-assign]
    worker.announce(P)
    assert seen
    assert before not in seen


def _served_elsewhere(store: RemoteStore) -> str:
    store.synchronise(P)
    served = store.served(P)
    return served.name if served else ""


def test_a_copy_for_another_project_is_in_the_store(machine: Machine) -> None:
    one, other = machine("one"), "9.1700000000"
    _publish(one, "a")
    one.synchronise(P)
    copy = duplicate(one, one.model_dir, P, other)
    assert copy is not None
    two = machine("two")
    two.synchronise(other)
    found = two.loadable(other, ())
    assert found is not None
    assert Path(found.train_output["weights"]).is_relative_to(two.folder(other, found.id))
    assert Path(found.train_output["weights"]).read_text() == "weights of a"


def test_a_store_that_hangs_is_named_and_what_is_here_is_served(machine: Machine, s3: S3Server) -> None:
    server = machine("server")
    _publish(machine("worker"), "a")
    server.synchronise(P)
    server.start()
    wait_until(lambda: not server.problem, "all is well", 30)
    s3.hang()
    wait_until(lambda: "has not answered for" in server.problem, "it says what is wrong", 30)
    assert "MODEL_DIR=" in server.problem
    assert _weights(server) == "weights of a"
    again = machine("server")
    again.start()
    assert again.servable_offline(P)
    wait_until(lambda: "has not answered for" in again.problem, "it says what is wrong", 30)
    s3.wake()
    wait_until(lambda: not server.problem and not again.problem, "it heals by itself", 60)


def test_a_store_that_may_only_be_read_is_served_from(
    machine: Machine, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_watch, "WRITE_CHECK_INTERVAL", 0.2)
    _publish(machine("worker"), "a")
    s3.kill()
    s3.start("--read-only")
    server = machine("server")
    server.start()
    server.synchronise(P)
    assert _weights(server) == "weights of a"
    wait_until(lambda: "cannot be written" in server.write_problem, "it says what is wrong", 30)
    assert "MODEL_DIR=" in server.write_problem
    assert not server.problem
    with pytest.raises(StoreError, match="cannot be written"):
        server.check()
    with pytest.raises(StoreError, match="cannot be written"):
        operations.promote(server, server.model_dir, P, "a")
    assert server.decision(P) is None
    s3.kill()
    s3.start()
    wait_until(lambda: not server.write_problem, "it heals by itself", 30)


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of moto's server, which heeds rights and conditions; the environment names the server."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")
    for name, value in zip(names, ("key", "CANARY", "us-east-1"), strict=True):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    made = boto3.client("s3")
    made.create_bucket(Bucket=BUCKET)
    yield boto3
    requests.post(f"http://{host}:{port}/moto-api/reset-auth", data=b"inf", timeout=10)
    server.stop()


def test_missing_rights_are_one_line(moto: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _publish(RemoteStore(f"s3://{BUCKET}/{tmp_path.name}", tmp_path / "worker"), "a")
    iam = moto.client("iam")
    iam.create_user(UserName="reader")
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    reading = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [reading]})
    iam.put_user_policy(UserName="reader", PolicyName="reading", PolicyDocument=policy)
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    requests.post(f"{endpoint}/moto-api/reset-auth", data=b"0", timeout=10)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    store = RemoteStore(f"s3://{BUCKET}/{tmp_path.name}", tmp_path / "other")
    store.synchronise(P)
    assert _weights(store) == "weights of a"
    for refused in (store.check, lambda: _publish(store, "b", fence=2)):
        with pytest.raises(StoreError) as error:
            refused()
        assert str(error.value) == (
            f"MODEL_DIR=s3://{BUCKET}/{tmp_path.name} cannot be written: this machine's credentials may not do that "
            "(PermissionError: Access Denied). Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to ones that may "
            "list, read, write and delete there"
        )
        assert not error.value.passing


def test_a_manifest_is_not_put_in_place_of_another(moto: Any, tmp_path: Path) -> None:
    one, two = (RemoteStore(f"s3://{BUCKET}/{tmp_path.name}", tmp_path / name) for name in ("one", "two"))
    made = _publish(one, "a")
    assert isinstance(one.uploads, Uploads)
    one.uploads.put_manifest(made)  # its answer was lost
    with pytest.raises(VersionError, match="another version id-a"):
        _publish(two, "a", fence=2)
    assert [known.fence for known in two.refreshed_history(P)] == [1]


def _settings(url: str, folder: Path) -> Settings:
    return Settings.from_env({"MODEL_DIR": url}, backend_dir=folder)


@pytest.mark.parametrize(
    ("env", "url", "words"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "", "refuses this machine's credentials"),
        ({}, "s3://elsewhere/prefix", "there is no such bucket"),
        ({}, "gs://bucket/prefix", r"pip install 'label-studio-ml\[gcs\]'"),
        ({}, "nowhere://bucket/prefix", "Use a folder, or a URL such as s3://bucket/prefix"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_the_setting(
    env: dict[str, str],
    url: str,
    words: str,
    machine: Machine,
    s3: S3Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(sys.modules, "gcsfs", None)  # as where it is not installed
    with pytest.raises((SettingsError, StoreError), match=words) as error:
        check_store(_settings(url or s3.url, tmp_path))
    assert error.value.field == "MODEL_DIR"
    assert "MODEL_DIR=" in str(error.value)
    assert "\n" not in str(error.value)
    assert not getattr(error.value, "passing", False)
    assert "CANARY" not in str(error.value)


def test_settings_name_the_store_and_the_folder(tmp_path: Path) -> None:
    settings = Settings.from_env(
        {"MODEL_DIR": "s3://bucket/prefix/", "CACHE_DIR": "near", "MODEL_CACHE_MB": "7"}, backend_dir=tmp_path
    )
    assert settings.store_url == "s3://bucket/prefix"
    assert settings.model_dir == tmp_path / "near"
    assert settings.model_cache_bytes == 7 << 20
    assert Settings.from_env(settings.to_env()) == settings
    assert isinstance(open_store(settings), RemoteStore)
    assert not isinstance(
        open_store(Settings.from_env({"MODEL_DIR": "near"}, backend_dir=tmp_path)), RemoteStore
    )
    assert settings.with_model_dir("here").store_url == ""
    assert _settings("here", tmp_path).with_model_dir("s3://b/p").model_dir == tmp_path / "data"
    with pytest.raises(SettingsError, match="names no bucket"):
        _settings("s3://", tmp_path)
