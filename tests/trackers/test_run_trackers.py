"""The worker's side of trackers: the processes are real ones, which deliver nothing."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.processes import wait_until
from label_studio_ml.config.settings import Settings
from label_studio_ml.config.tracker_settings import TrackerSettings
from label_studio_ml.trackers import run_trackers
from label_studio_ml.trackers.messages import Gap, RunDescription, RunLink, RunResult
from label_studio_ml.trackers.run_trackers import MAX_ENDED, RunTrackers

#: A process that says where its run is if the name of the run begins with "reached", and warns if it is "away";
#: with "gap" in it, it says that something is missing, and at the end of the run, a "quick" one is done.
PROCESS = """
import os, sys
first = sys.stdin.readline()
if '"reached' in first:
    os.write(int(sys.argv[1]), b'{"link": {"run": "1", "url": "http://tracker/1"}}\\n')
if '"away' in first:
    os.write(int(sys.argv[1]), b'{"warning": "MLflow: away"}\\n')
if 'gap' in first:
    os.write(int(sys.argv[1]), b'{"gap": {"problem": "refused"}}\\n')
for line in sys.stdin:
    if '"end"' in line and 'quick"' in first:
        os.write(int(sys.argv[1]), b'{"done": true}\\n')
        break
"""


class Worker:
    """The runs of a worker with the tracker MLflow."""

    def __init__(self, folder: Path) -> None:
        self._settings = Settings(backend_dir=folder, trackers=TrackerSettings(names=("mlflow",)))
        self.warnings: list[str] = []
        self.links: list[RunLink] = []
        self.gaps: list[str] = []

    def begin(self, job: str, name: str = "away") -> RunTrackers:
        trackers = RunTrackers(
            self._settings,
            self._add_state,
            lambda text: self.warnings.append(f"{job}: {text}"),
        )
        trackers.begin(lambda _: RunDescription(job=job, name=name))
        return trackers

    def _add_state(self, tracker: str, link: RunLink | None, gap: Gap) -> None:
        if link is not None:
            self.links.append(link)
        self.gaps.append(gap.problem)

    def wait_for_warning(self, warning: str) -> None:
        wait_until(lambda: warning in self.warnings, warning, every=0.01)


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    def command(settings: Settings, module: str, tracker: str, writer: int) -> list[str]:
        return [sys.executable, "-S", "-c", PROCESS, str(writer)]

    monkeypatch.setattr(run_trackers, "command", command)
    yield Worker(tmp_path)
    for process in list(run_trackers._running):
        process.abandon("the test is over")
    run_trackers.wait_for_trackers(60)


def _jobs() -> set[str]:
    return {process.job for process in list(run_trackers._running)}


def test_few_processes_go_on_after_their_runs(worker: Worker) -> None:
    reached = worker.begin("reached", "reached")
    wait_until(lambda: worker.links, "the run is there", every=0.01)
    reached.end(RunResult(status="finished"))
    for number in range(5):
        trackers = worker.begin(f"j{number}")
        worker.wait_for_warning(f"j{number}: MLflow: away")
        trackers.end(RunResult(status="finished"))
    wait_until(lambda: len(_jobs()) <= MAX_ENDED, "the others have ended", every=0.01)
    assert _jobs() == {"reached", "j3", "j4"}, "the tracker has the first one"
    assert [text for text in worker.warnings if "away" not in text] == [
        f"j{number}: MLflow: 3 other trainings wait for it; what did not reach it is missing there"
        for number in range(3)
    ]


def test_processes_that_may_just_need_time_go_on_for_a_while(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        worker.begin(f"j{number}", "starting").end(RunResult(status="finished"))
    assert len(_jobs()) == 5
    monkeypatch.setattr(run_trackers, "END_GRACE", 0.0)
    worker.begin("j5", "starting").end(RunResult(status="finished"))
    wait_until(lambda: _jobs() == {"j3", "j4", "j5"}, "the others have ended", every=0.01)


def test_a_process_that_finds_later_that_the_tracker_is_away_counts(worker: Worker) -> None:
    for number in range(5):
        worker.begin(f"j{number}").end(RunResult(status="finished"))
    wait_until(lambda: len(_jobs()) == MAX_ENDED, "the others have ended", every=0.01)


def test_processes_of_runs_that_go_on_are_not_ended(worker: Worker) -> None:
    runs = [worker.begin(f"j{number}") for number in range(5)]
    wait_until(lambda: len(worker.warnings) == 5, "all have found it away", every=0.01)
    assert len(_jobs()) == 5
    runs[0].end(RunResult(status="finished"))
    assert len(_jobs()) == 5


@pytest.mark.parametrize(("name", "goes_on"), [("away", False), ("reached", True)])
def test_a_second_try_of_a_job_ends_the_process_that_has_no_run(
    worker: Worker, name: str, goes_on: bool
) -> None:
    first = worker.begin("j1", name)
    if goes_on:
        wait_until(lambda: worker.links, "the run is there", every=0.01)
    first.end(RunResult(status="failed"))
    worker.begin("j1", name)
    wait_until(lambda: len(run_trackers._running) == 1 + goes_on, "one of them has ended", every=0.01)
    ended = [text for text in worker.warnings if "before the training was tried again" in text]
    assert len(ended) == (not goes_on)


def test_the_end_is_never_dropped(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_trackers, "MAX_WAITING", 50)
    trackers = worker.begin("j1", "quick")
    (process,) = run_trackers._running
    pid = process._popen.pid
    os.kill(pid, signal.SIGSTOP)  # it reads nothing
    point: dict[str, Any] = {"time": "2026-12-01T00:00:00.000+00:00", "loss": 0.5, "text": "x" * 10_000}
    deadline = time.monotonic() + 60
    while not worker.warnings and time.monotonic() < deadline:
        trackers.log(point=point)
    assert worker.warnings == ["j1: MLflow: its process takes nothing; metrics are left out"]
    trackers.end(RunResult(status="finished"))
    os.kill(pid, signal.SIGCONT)
    wait_until(lambda: not run_trackers._running, "it has got the end", every=0.01)
    assert process._popen.returncode == 0


@pytest.mark.parametrize(
    ("name", "gaps"),
    [
        ("reached-quick", ["it has not been reached yet", ""]),
        ("reached-gap-quick", ["it has not been reached yet", "", "refused"]),
        ("reached", ["it has not been reached yet", "", "cause; what did not reach it is missing there"]),
        ("silent", ["it has not been reached yet", "cause; what did not reach it is missing there"]),
        (
            "gap",
            [
                "it has not been reached yet",
                "refused",
                "refused; cause; what did not reach it is missing there",
            ],
        ),
    ],
)
def test_what_is_missing_is_reported_when_it_changes(worker: Worker, name: str, gaps: list[str]) -> None:
    trackers = worker.begin("j1", name)
    wait_until(lambda: worker.gaps[: len(gaps) - 1] == gaps[:-1], "the first ones are reported", every=0.01)
    trackers.end(RunResult(status="finished"))
    if not name.endswith("quick"):
        for process in list(run_trackers._running):
            process.abandon("cause")
    wait_until(lambda: not run_trackers._running, "the process has ended", every=0.01)
    assert list(dict.fromkeys(worker.gaps)) == gaps


def test_a_process_that_dies_leaves_a_gap(worker: Worker) -> None:
    worker.begin("j1", "reached")
    wait_until(lambda: worker.links, "the run is there", every=0.01)
    (process,) = run_trackers._running
    os.kill(process._popen.pid, signal.SIGKILL)
    wait_until(lambda: not run_trackers._running, "the process has ended", every=0.01)
    assert "SIGKILL" in worker.gaps[-1]
    assert worker.gaps[-1].endswith("what did not reach it is missing there")


def test_an_earlier_try_reports_nothing_once_there_is_a_new_one(worker: Worker) -> None:
    worker.begin("j1", "reached")
    wait_until(lambda: worker.links, "the run is there", every=0.01)
    (earlier,) = run_trackers._running
    worker.begin("j1", "reached")
    wait_until(lambda: len(worker.links) == 2, "the run of the new try is there", every=0.01)
    os.kill(earlier._popen.pid, signal.SIGKILL)
    wait_until(lambda: len(run_trackers._running) == 1, "the earlier process has ended", every=0.01)
    assert worker.gaps[-1] == ""


@pytest.mark.parametrize(("name", "before"), [("waits", ""), ("gap waits", "refused; ")])
def test_what_is_on_its_way_when_the_worker_ends_is_a_gap(worker: Worker, name: str, before: str) -> None:
    worker.begin("job-1", name).end(RunResult(status="finished"))
    if before:
        wait_until(lambda: "refused" in worker.gaps, "the gap", every=0.01)
    run_trackers.wait_for_trackers(0.01)
    imported = "" if before else ", or after its package is imported,"
    lost = f"the worker ended; what did not reach it within a minute after that{imported} is missing there"
    assert worker.gaps[-1] == f"{before}{lost}"
    assert worker.warnings == [f"job-1: MLflow: {lost}"]
    assert _jobs() == {"job-1"}


def test_a_record_that_cannot_be_written_does_not_keep_the_worker(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writes of all runs wait for Redis at the same time, in threads that do not keep the process."""
    monkeypatch.setattr(run_trackers, "_LEAVE_TIME", 0.1)
    redis_is_back = threading.Event()
    for number in range(2):
        worker.begin(f"job-{number}", "reached")
    wait_until(lambda: len(worker.links) == 2, "the runs are there", every=0.01)
    left: list[str] = []

    def leave(process: run_trackers.TrackerProcess) -> None:
        redis_is_back.wait()
        left.append(process.job)

    monkeypatch.setattr(run_trackers.TrackerProcess, "leave", leave)
    run_trackers.wait_for_trackers(0.01)
    assert left == []
    redis_is_back.set()
    wait_until(lambda: sorted(left) == ["job-0", "job-1"], "both are noted", every=0.01)


def test_what_is_delivered_when_the_worker_ends_is_no_gap(worker: Worker) -> None:
    worker.begin("job-1", "reached quick").end(RunResult(status="finished"))
    run_trackers.wait_for_trackers(60)
    assert worker.gaps[-1] == ""
    assert worker.warnings == []
