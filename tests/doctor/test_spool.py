"""What `doctor` says of events that wait on the disk."""

from pathlib import Path

from label_studio_ml.connect.backend import view
from label_studio_ml.doctor import server
from label_studio_ml.doctor.context import Context
from label_studio_ml.settings import Settings


def test_events_that_wait_on_the_disk(tmp_path: Path) -> None:
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "data", spool_events=3)
    url = "http://localhost:1"
    context = Context(
        settings=settings, folder=tmp_path, port=1, view=view(settings, url, 1), url=url, name=""
    )
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
