"""`label-studio-ml train`, without a backend."""

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from label_studio_ml.cli.shared.open_job_store import OpenJobStore
from label_studio_ml.cli.train import train
from label_studio_ml.config.settings import Settings
from label_studio_ml.monitoring import logs
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.versions.state.project_state import Project


class FakeJobStore(JobStore):
    """Keeps events in memory."""

    def __init__(self) -> None:
        self.kept: list[StoredEvent] = []

    def tries(self, project: str) -> int:
        """Return that none was made."""
        return 0

    def record(self, project: str, event: StoredEvent, token: str = "", *, bounded: bool = True) -> str:
        """Keep an event."""
        self.kept.append(event)
        return "the-job"


def test_the_event_says_that_the_command_sent_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job_store = FakeJobStore()

    @contextlib.contextmanager
    def opened_job_store(settings: Settings, *, work: bool = False) -> Iterator[OpenJobStore]:
        yield OpenJobStore(job_store, alone=False)

    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path, log_dir=tmp_path / "logs")
    monkeypatch.setattr(train, "settings_from", lambda args: settings)
    monkeypatch.setattr(train, "known_project", lambda settings, name: Project(uid="5.1"))
    monkeypatch.setattr(train, "opened_job_store", opened_job_store)
    monkeypatch.setattr(logs, "configure", lambda level: None)
    assert train.run(argparse.Namespace(project=None, from_version=None, no_wait=True)) == 0
    assert capsys.readouterr().out == "Job the-job: training project 5\n"
    assert [(event.action, event.caller) for event in job_store.kept] == [
        ("START_TRAINING", "label-studio-ml train")
    ]
