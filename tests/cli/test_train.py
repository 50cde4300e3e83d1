"""`label-studio-ml train`, without a backend."""

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from label_studio_ml import logs
from label_studio_ml.cli import train
from label_studio_ml.cli.board import Reached
from label_studio_ml.errors import BrokerError
from label_studio_ml.settings import Settings
from label_studio_ml.training.jobs import JobBoard, StoredEvent
from label_studio_ml.versions.state import Project


class Board(JobBoard):
    """Keeps an event, and is gone then."""

    def __init__(self) -> None:
        pass

    def tries(self, project: str) -> int:
        """Return that none was made."""
        return 0

    def record(self, project: str, event: StoredEvent, token: str = "", *, bounded: bool = True) -> str:
        """Keep an event."""
        return "the-job"

    def name_asker(self, job_id: str, caller: str, *, asked: bool) -> None:
        """Fail."""
        raise BrokerError("Redis is away")


def test_an_event_that_is_kept_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextlib.contextmanager
    def reach(settings: Settings, *, work: bool = False) -> Iterator[Reached]:
        yield Reached(Board(), alone=False)

    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path, log_dir=tmp_path / "logs")
    monkeypatch.setattr(train, "settings_from", lambda args: settings)
    monkeypatch.setattr(train, "known_project", lambda settings, name: Project(uid="5.1"))
    monkeypatch.setattr(train, "reach", reach)
    monkeypatch.setattr(logs, "configure", lambda level: None)
    assert train.run(argparse.Namespace(project=None, from_version=None, no_wait=True)) == 0
    assert capsys.readouterr().out == "Job the-job: training project 5\n"
