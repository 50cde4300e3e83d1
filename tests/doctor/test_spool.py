"""What `doctor` says of events that wait on the disk."""

from pathlib import Path

import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.connect.backend_client import BackendView, view
from label_studio_ml.doctor import server
from label_studio_ml.doctor.context import Context


def _context(tmp_path: Path) -> Context:
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "data", spool_events=3)
    url = "http://localhost:1"
    return Context(settings=settings, folder=tmp_path, port=1, view=view(settings, url, 1), url=url, name="")


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "spool"
    folder.parent.mkdir()
    folder.write_text("in the way")
    (check,) = server.spool(_context(tmp_path))
    assert check.status == "fail"
    assert check.what.endswith(f"{folder} is a file, not a folder")
    assert check.fix.endswith(f"mv {folder} {folder}.moved")


def test_what_the_server_says_of_its_spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may run as another user than doctor."""
    context = _context(tmp_path)
    monkeypatch.setattr(BackendView, "parts", lambda view: {"spool": "it cannot be written to"})
    assert list(server.spool(context)) == []
    context.about = {}
    (check,) = server.spool(context)
    assert (check.status, check.what) == ("fail", "it cannot be written to")


def test_events_that_wait_on_the_disk(tmp_path: Path) -> None:
    context = _context(tmp_path)
    assert list(server.spool(context)) == []
    folder = tmp_path / "data" / "spool"
    folder.mkdir(parents=True)
    for number in range(3):
        (folder / f"{number}.json").write_text("{}")
        (check,) = server.spool(context)
        status = "fail" if number == 2 else "warn"
        assert (check.status, check.what.split(" on ")[0]) == (
            status,
            "1 event waits" if number == 0 else f"{number + 1} events wait",
        )
    assert "SPOOL_EVENTS=3" in check.what
    assert "Redis" in check.fix
