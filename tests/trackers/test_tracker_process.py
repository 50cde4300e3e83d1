"""The process of a tracker, from the first line of its worker to its end; the tracker is a stand-in."""

import io
import os
import subprocess
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.processes.interpreter import command
from label_studio_ml.trackers import delivery, tracker_process
from label_studio_ml.trackers.messages import RunDescription, RunResult, TrackerAnswer, TrackerMessage
from label_studio_ml.trackers.time_limit import Limits, TimeLimit

from .packages import package
from .test_delivery import StandIn

BEGIN = TrackerMessage(begin=RunDescription(job="j1", name="n"))
POINT = TrackerMessage(point={"step": 1, "time": "2026-12-01T00:00:00.000+00:00", "loss": 0.5})


@pytest.fixture(autouse=True)
def no_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker_process, "import_client", lambda tracker: None)


def _follow(
    monkeypatch: pytest.MonkeyPatch, *messages: TrackerMessage, rest: bytes = b""
) -> tuple[StandIn, list[TrackerAnswer]]:
    tracker, answers = StandIn(), io.BytesIO()
    monkeypatch.setattr(tracker_process, "open_run", lambda name, description: tracker)
    monkeypatch.setattr(tracker_process, "FLUSH_INTERVAL", 0.01)
    lines = io.BytesIO(b"".join(msgspec.json.encode(message) + b"\n" for message in messages) + rest)
    tracker_process.follow("mlflow", lines, answers, TimeLimit(Limits()))
    return tracker, [
        msgspec.json.decode(line, type=TrackerAnswer) for line in answers.getvalue().splitlines()
    ]


def test_a_run_is_delivered_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    end = TrackerMessage(end=RunResult(status="finished", version="v1"))
    tracker, answers = _follow(monkeypatch, BEGIN, POINT, end)
    assert [point["loss"] for point in tracker.points] == [0.5]
    assert [result.version for result in tracker.results] == ["v1"]
    assert [answer.link.url for answer in answers if answer.link] == ["http://tracker/1"]
    assert answers[-1].done


def test_a_run_whose_worker_is_gone_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    tracker, _ = _follow(monkeypatch, BEGIN, POINT)
    assert [point["loss"] for point in tracker.points] == [0.5]
    assert [result.status for result in tracker.results] == ["killed"]


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.timeout(30)
@pytest.mark.parametrize("rest", [b'{"point": {"step": 2, "lo', b'{"end": {"status": "finish', b"\xff\n"])
def test_a_run_whose_worker_is_gone_in_the_middle_of_a_line_is_killed(
    monkeypatch: pytest.MonkeyPatch, rest: bytes
) -> None:
    tracker, answers = _follow(monkeypatch, BEGIN, POINT, rest=rest)
    assert [point["loss"] for point in tracker.points] == [0.5]
    assert [result.status for result in tracker.results] == ["killed"]
    assert answers[-1].done


def test_nothing_is_done_for_a_run_whose_first_line_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    tracker, answers = _follow(monkeypatch, rest=b'{"begin": {"job": "j1", "na')
    assert (tracker.results, answers) == ([], [])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.timeout(30)
def test_a_process_ends_in_time_also_if_what_is_missing_cannot_be_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    is_over = threading.Event()
    statuses: list[int] = []

    def end_process(status: int) -> None:
        statuses.append(status)
        is_over.set()

    def hang(*_: Any) -> None:
        is_over.wait(10)

    def change(_: object) -> None:
        raise RuntimeError("dictionary changed size during iteration")

    tracker = StandIn()
    monkeypatch.setattr(tracker, "log_points", hang)
    monkeypatch.setattr(delivery.Delivery, "give_up", change)
    monkeypatch.setattr(tracker_process, "open_run", lambda name, description: tracker)
    monkeypatch.setattr(tracker_process, "FLUSH_INTERVAL", 0.01)
    monkeypatch.setattr(tracker_process, "_LIMIT_INTERVAL", 0.01)
    clock_now = iter(range(0, 10**9, 30))
    limit = TimeLimit(Limits(), lambda: float(next(clock_now)))
    end = TrackerMessage(end=RunResult(status="finished"))
    lines = io.BytesIO(b"".join(msgspec.json.encode(message) + b"\n" for message in (BEGIN, POINT, end)))
    tracker_process.follow("mlflow", lines, io.BytesIO(), limit, end_process)
    for thread in threading.enumerate():
        if thread.name == "time limit":  # its error is for this test, not for the next one
            thread.join(10)
    assert statuses == [1]


def test_without_a_run_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    tracker, answers = _follow(monkeypatch)
    assert (tracker.results, answers) == ([], [])


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("ends", "stores_files", "seconds"),
    [
        (["run"], False, 120.0),
        (["run"], True, 900.0),
        (["run", "worker"], True, 60.0),
        (["worker"], False, 60.0),
        (["worker"], True, 60.0),
    ],
)
def test_the_time_of_a_process_is_limited(ends: list[str], stores_files: bool, seconds: float) -> None:
    clock = Clock()
    limit = TimeLimit(Limits(), clock)
    limit.end_import()
    clock.now = 1e6
    assert not limit.is_exceeded(stores_files=stores_files)
    for end in ends:
        {"run": limit.end_run, "worker": limit.end_worker}[end]()
    clock.now += seconds - 0.1
    assert not limit.is_exceeded(stores_files=stores_files)
    clock.now += 0.1
    assert limit.is_exceeded(stores_files=stores_files)


@pytest.mark.parametrize("end", ["end_run", "end_worker"])
def test_the_time_of_an_import_does_not_count(end: str) -> None:
    clock = Clock()
    limit = TimeLimit(Limits(), clock)
    getattr(limit, end)()
    clock.now = 899.0
    assert limit.is_importing
    assert not limit.is_exceeded(stores_files=False)
    limit.end_import()
    clock.now += 59.0
    assert not limit.is_exceeded(stores_files=False)
    limit.end_import()  # of a second try, after an outage
    clock.now += 62.0
    assert limit.is_exceeded(stores_files=False)


def test_an_import_without_an_end_is_limited() -> None:
    clock = Clock()
    limit = TimeLimit(Limits(), clock)
    clock.now = 1e6
    assert not limit.is_exceeded(stores_files=False)
    limit.end_run()
    clock.now += 900.0
    assert limit.is_exceeded(stores_files=False)


@pytest.mark.parametrize(
    ("ends", "hangs", "missing"),
    [
        (True, "log_points", "1 point of metrics and the end of the run did not reach it"),
        (False, "log_points", "1 point of metrics and the end of the run did not reach it"),
        (True, "log_folder", "the files of the version may be missing there"),
    ],
    ids=["run", "worker", "files"],
)
def test_a_process_whose_time_is_up_ends_in_the_middle_of_a_call(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ends: bool, hangs: str, missing: str
) -> None:
    clock, is_over = Clock(), threading.Event()
    statuses: list[int] = []

    def end_process(status: int) -> None:
        statuses.append(status)
        is_over.set()

    def hang(*_: Any) -> None:
        while not is_over.wait(0.01):
            clock.now += 10.0

    tracker, answers = StandIn(), io.BytesIO()
    monkeypatch.setattr(tracker, hangs, hang)
    monkeypatch.setattr(tracker_process, "open_run", lambda name, description: tracker)
    monkeypatch.setattr(tracker_process, "FLUSH_INTERVAL", 0.01)
    monkeypatch.setattr(tracker_process, "_LIMIT_INTERVAL", 0.01)
    end = TrackerMessage(end=RunResult(status="finished", folder=str(tmp_path), max_bytes=1))
    messages = [BEGIN, POINT, end] if ends else [BEGIN, POINT]
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as lines, os.fdopen(writer, "wb") as worker:
        worker.write(b"".join(msgspec.json.encode(message) + b"\n" for message in messages))
        worker.flush()
        if not ends:
            worker.close()
        tracker_process.follow("mlflow", lines, answers, TimeLimit(Limits(), clock), end_process)
    assert statuses == [1]
    assert missing in answers.getvalue().decode()


def test_an_import_that_does_not_end_is_no_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, is_over = Clock(), threading.Event()

    def hang(tracker: str) -> None:
        while not is_over.wait(0.01):
            clock.now += 50.0

    monkeypatch.setattr(tracker_process, "import_client", hang)
    monkeypatch.setattr(tracker_process, "open_run", lambda name, description: StandIn())
    monkeypatch.setattr(tracker_process, "FLUSH_INTERVAL", 0.01)
    monkeypatch.setattr(tracker_process, "_LIMIT_INTERVAL", 0.01)
    answers = io.BytesIO()
    end = TrackerMessage(end=RunResult(status="finished"))
    lines = io.BytesIO(b"".join(msgspec.json.encode(message) + b"\n" for message in (BEGIN, end)))
    tracker_process.follow("mlflow", lines, answers, TimeLimit(Limits(), clock), lambda _: is_over.set())
    assert "MLflow: its package was not imported in time: the end of the run" in answers.getvalue().decode()


def test_as_a_process(tmp_path: Path) -> None:
    package("tensorboardX")
    description = RunDescription(job="j1", name="project-1-j1", tensorboard_dir=str(tmp_path))
    end = TrackerMessage(end=RunResult(status="finished"))
    messages = (TrackerMessage(begin=description), POINT, end)
    text = b"".join(msgspec.json.encode(message) + b"\n" for message in messages)
    reader, writer = os.pipe()
    arguments = command(
        Settings(backend_dir=tmp_path), "label_studio_ml.trackers.tracker_process", "tensorboard", writer
    )
    subprocess.run(arguments, input=text, pass_fds=[writer], check=True, timeout=120)
    os.close(writer)
    with os.fdopen(reader, "rb") as answers:
        found = [msgspec.json.decode(line, type=TrackerAnswer) for line in answers]
    assert found[-1].done
    assert list((tmp_path / "project-1-j1").glob("events.*"))
