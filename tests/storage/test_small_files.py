"""Small files that are damaged: each reader says so, goes on, or refuses; none ends with a traceback."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import SettingsError, VersionError
from label_studio_ml.evaluation.task_selection import held_out
from label_studio_ml.projects.annotation_watch import Cursor
from label_studio_ml.projects.journal import Journal, unfinished
from label_studio_ml.protocol.requests import Event
from label_studio_ml.serving.registry.code_watch import CodeWatch
from label_studio_ml.storage.server_address import address
from label_studio_ml.storage.small_files import (
    DamagedFile,
    is_passing,
    read_json,
    read_text,
    unused_damaged_path,
)
from label_studio_ml.training.dataset import HELD_OUT
from label_studio_ml.training.intake.spool import Spool
from label_studio_ml.training.intake.spool_capacity import Spooled
from label_studio_ml.training.process import progress_file
from label_studio_ml.training.process.run_request import Outcome
from label_studio_ml.user_code import code_identity
from label_studio_ml.versions.backend_id import backend_id

CONTENTS = {
    "empty": b"",
    "zeros": bytes(64),
    "not UTF-8": b'{"a": "\xff"}',
    "cut": b'{"a": ',
    "another type": b"[1, 2]",
    "deep": b"[" * 100_000,
}
damaged = pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())


@damaged
def test_json(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "f"
    assert read_json(file, dict) is None
    assert read_text(file) is None
    file.write_bytes(content)
    with pytest.raises(DamagedFile, match=r"^it is "):
        read_json(file, dict)
    assert isinstance(read_text(file), str)
    file.unlink()
    file.mkdir()
    for read in (read_text, lambda path: read_json(path, dict)):
        with pytest.raises(DamagedFile, match="it is a folder"):
            read(file)
    assert read_json(file / "below", int) is None


def test_what_passes() -> None:
    assert is_passing(OSError(errno.EMFILE, ""))
    assert not is_passing(OSError(errno.EACCES, ""))
    assert not is_passing(ValueError())


@damaged
def test_the_backends_id(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "backend.json").write_bytes(content)
    with pytest.raises(VersionError, match=r"backend\.json cannot be read: .*remove it"):
        backend_id(Settings(backend_dir=tmp_path, model_dir=tmp_path))


@damaged
def test_the_servers_address(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "server.json").write_bytes(content)
    assert address(tmp_path) == ""


@damaged
def test_how_far_a_run_got(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p").write_bytes(content)
    assert progress_file.read(tmp_path / "p", Outcome) is None


@damaged
def test_what_a_fit_held_out(tmp_path: Path, content: bytes) -> None:
    assert held_out(tmp_path) is None
    (tmp_path / HELD_OUT).write_bytes(content)
    with pytest.raises(VersionError, match="cannot be used: it is "):
        held_out(tmp_path)


@damaged
def test_what_the_agent_has_seen(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "1.json"
    path.write_bytes(content)
    cursor = Cursor(path)
    assert (cursor.since, cursor.annotations) == ("", {})
    assert (tmp_path / "1.json.damaged").read_bytes() == content
    assert "was set aside as 1.json.damaged" in caplog.text
    cursor.since = "2026-01-01T00:00:00Z"
    cursor.write()
    cursor.close()
    again = Cursor(path)
    assert again.since == "2026-01-01T00:00:00Z"
    again.close()


@damaged
def test_what_a_run_was_sending(tmp_path: Path, content: bytes) -> None:
    journal = Journal(tmp_path, "1.1", "v")
    journal.close()
    path = journal._path
    path.write_bytes(content)
    assert unfinished(tmp_path, "1.1") == []
    with pytest.raises(SettingsError, match="is damaged"):
        Journal(tmp_path, "1.1", "v")
    path.unlink()
    Journal(tmp_path, "1.1", "v").close()


@pytest.mark.parametrize("content", [*CONTENTS.values(), None], ids=[*CONTENTS, "a folder"])
def test_an_event_that_waits(tmp_path: Path, content: bytes | None) -> None:
    handed: list[str] = []
    spool = Spool(tmp_path, lambda spooled: handed.append(spooled.token))
    bad = tmp_path / "00000000000000000001-000000-aaaaaaaa.json"
    if content is None:
        bad.mkdir()
    else:
        bad.write_bytes(content)
    good = Spooled(Event("X", "1.1", "", "", {}), trusted=True, train=True, token="t")
    (tmp_path / "00000000000000000002-000000-aaaaaaaa.json").write_bytes(msgspec.json.encode(good))
    assert spool._deliver_all() == 1
    assert bad.with_suffix(".bad").exists()
    assert handed == ["t"]


@pytest.fixture
def exhausted() -> "Callable[[], object]":
    """What opens as many files as this process may have, and returns what closes them."""
    resource = pytest.importorskip("resource")

    def exhaust() -> Callable[[], None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
        taken: list[int] = []
        while True:
            try:
                taken.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                break

        def release() -> None:
            for one in taken:
                os.close(one)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

        return release

    return exhaust


def test_code_that_cannot_be_read_now_has_not_changed(
    tmp_path: Path, exhausted: Callable[[], Callable[[], None]]
) -> None:
    script = tmp_path / "model.py"
    script.write_text("import other\n")
    (tmp_path / "other.py").write_text("X = 1\n")
    watch = CodeWatch(script, lambda: code_identity.identify(script))
    assert not watch.changed()
    (tmp_path / "other.py").write_text("X = 22\n")
    release = exhausted()
    try:
        assert [watch.changed(), watch.changed(), watch.changed()] == [False] * 3
    finally:
        release()
    assert True in [watch.changed(), watch.changed(), watch.changed()], "it is seen as soon as it can be read"


def test_two_damaged_ones_in_one_second_have_two_names(tmp_path: Path) -> None:
    first = unused_damaged_path(tmp_path / "appendonlydir")
    first.mkdir()
    second = unused_damaged_path(tmp_path / "appendonlydir")
    assert second != first
    assert all(path.match("appendonlydir.damaged-*") for path in (first, second))
