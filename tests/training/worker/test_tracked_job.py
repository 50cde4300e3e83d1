"""What the trackers get of a training: no secrets, and always its end."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import VersionError
from label_studio_ml.trackers.messages import Gap, RunDescription, RunLink, RunResult
from label_studio_ml.training.job import Report
from label_studio_ml.training.records.run_log import Scrubber
from label_studio_ml.training.worker import tracked_job
from label_studio_ml.training.worker.run_end import EndKind, RunEnd
from label_studio_ml.training.worker.tracked_job import TrackedJob


class Recorder:
    """Stands for the trackers of a run, and keeps what they get."""

    are_running = True

    def __init__(self) -> None:
        self.description = RunDescription(job="", name="")
        self.params: dict[str, str] = {}
        self.results: list[RunResult] = []

    def begin(self, describe: Any) -> None:
        self.description = describe("mlflow")

    def log(self, *, point: Any = None, params: dict[str, str] | None = None) -> None:
        self.params |= params or {}

    def end(self, result: RunResult) -> None:
        self.results.append(result)


#: What an earlier try of the job has written.
EARLIER = {"mlflow": {"url": "http://m/1"}, "tensorboard": {"place": "/tb"}}


def _versions(uid: str) -> list[Any]:
    raise VersionError("the disk is away")


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def tracked(tmp_path: Path, recorder: Recorder) -> TrackedJob:
    project: Any = SimpleNamespace(
        uid="7.1",
        settings=Settings(backend_dir=tmp_path),
        store=SimpleNamespace(versions=_versions, folder=lambda uid, version: tmp_path / version),
        job_store=SimpleNamespace(
            jobs=SimpleNamespace(
                interrupted_before=lambda uid, job: [], get=lambda job: SimpleNamespace(trackers=EARLIER)
            )
        ),
    )
    tracked = TrackedJob(project, "j1", "v1")
    tracked._trackers = recorder  # type: ignore[assignment]
    return tracked


def test_trackers_get_no_secrets(tracked: TrackedJob, recorder: Recorder) -> None:
    title, config = "T http://me:CANARY-1/2@host", '<View><Header value="CANARY-3"/></View>'
    spec = SimpleNamespace(version="v0", project=SimpleNamespace(title=title, label_config=config))
    request: Any = SimpleNamespace(spec=spec)
    log: Any = SimpleNamespace(add_line=lambda line: True)
    with tracked.logging_to(log, Scrubber(["CANARY-3"])):
        tracked.observe(Report(begins=True), request)
        tracked.observe(Report(params={"a": "is CANARY-3", "b": "s3://k:CANARY#4@b/c"}), request)
    error = "GET http://me:CANARY-5@host/x?sig=CANARY-6 failed: CANARY-3"
    tracked.finish([RunEnd(EndKind.MAY_PASS, [], None, error=error)])
    assert recorder.description.tags["label_studio_ml.project_title"] == "T http://…@host"
    assert recorder.description.params["label_config"] == '<View><Header value="[secret]"/></View>'
    assert recorder.params == {"a": "is [secret]", "b": "s3://…@b/c"}
    assert [result.message for result in recorder.results] == ["GET http://…@host/x?sig=… failed: [secret]"]


def test_versions_that_cannot_be_read_keep_no_end_back(tracked: TrackedJob, recorder: Recorder) -> None:
    tracked.finish([RunEnd(EndKind.SETTLED, [], None, fields={"state": "finished", "version": "v1"})])
    assert [(result.status, result.versions) for result in recorder.results] == [("finished", None)]


def test_a_second_try_keeps_where_the_first_one_is(
    tracked: TrackedJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[dict[str, dict[str, str]]] = []

    def write(store: object, job: str, fields: dict[str, str], **others: object) -> None:
        written.append(json.loads(fields["trackers"]))

    monkeypatch.setattr(tracked_job, "write_progress", write)
    tracked._write_state("mlflow", None, Gap(problem="it is away"))
    (record,) = written
    assert record["tensorboard"] == {"place": "/tb"}
    assert record["mlflow"]["url"] == "http://m/1"
    assert record["mlflow"]["missing"] == "part"
    tracked._write_state("mlflow", RunLink(run="2", url="http://m/2"), Gap())
    assert written[-1]["mlflow"] == {"url": "http://m/2"}
