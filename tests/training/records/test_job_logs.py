"""Logs of jobs without a record go after a while; those with one stay as long as that."""

import os
import time
from pathlib import Path

import pytest

from label_studio_ml.training.records.job_logs import CLEAR_INTERVAL, DAY, JobLogs
from label_studio_ml.training.records.job_store import JobStore


def _log(folder: Path, name: str, days: float) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.log"
    path.write_text("said something\n")
    then = time.time() - days * DAY
    os.utime(path, (then, then))
    return path


def test_old_logs_without_a_record_go(job_store: JobStore, tmp_path: Path) -> None:
    folder = tmp_path / "jobs"
    kept = job_store.new_job("1.1")
    _log(folder, kept, 100)
    _log(folder, "20260101-120000-00000a", 31)
    _log(folder, "20260102-120000-00000b", 29)
    _log(folder, "nightly-backup", 100)
    (folder / "20260103-120000-00000c.log").mkdir()
    (folder / "notes.txt").write_text("mine")
    JobLogs(folder, 0).clear_regularly(job_store)
    assert len(list(folder.iterdir())) == 6
    logs = JobLogs(folder, 30)
    logs.clear_regularly(job_store)
    left = {path.name for path in folder.iterdir()}
    assert left == {
        f"{kept}.log",
        "20260102-120000-00000b.log",
        "nightly-backup.log",
        "20260103-120000-00000c.log",
        "notes.txt",
    }
    job_store.forget("1.1")
    logs.clear_regularly(job_store)
    assert (folder / f"{kept}.log").exists(), "it looks once an hour"
    JobLogs(folder, 30).clear_regularly(job_store)
    assert not (folder / f"{kept}.log").exists()
    assert CLEAR_INTERVAL >= 60


def test_a_folder_that_is_not_there(job_store: JobStore, tmp_path: Path) -> None:
    JobLogs(tmp_path / "nowhere", 30).clear(job_store)


@pytest.mark.parametrize("days", [0, 7])
def test_the_setting(tmp_path: Path, days: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from label_studio_ml.config.settings import Settings

    monkeypatch.setenv("LABEL_STUDIO_ML_KEEP_JOB_LOGS", str(days))
    assert Settings.from_env(backend_dir=tmp_path).keep_job_logs == days
