"""Runs with real processes: what they say, how they are ended, and how they end by themselves."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests

from e2e.processes import wait_until
from label_studio_ml.errors import UnknownJob
from label_studio_ml.training.records import job_pages
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.redis_client import connect
from label_studio_ml.training.scheduling import cancellation
from label_studio_ml.versions.store.local_store import VersionStore
from live import TOKEN, TRAINING, WORKER, FakeStudio, Live, alive, created, make_live, start_training, uid


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, studio: FakeStudio) -> Iterator[Live]:
    env = {"CANCEL_GRACE": "0.2", "LABEL_STUDIO_ML_LEASE": "5"}
    live = make_live(tmp_path_factory.mktemp("runs") / "backend", studio, "run_model", env=env)
    live.backend.start()
    yield live
    assert not live.backend.stop()
    assert "exception raised while executing" not in (live.folder / "logs" / "rq.log").read_text()


@pytest.fixture(scope="module")
def job_store(live: Live) -> Iterator[JobStore]:
    live.broker()
    connection = connect((live.model_dir / "broker" / "address").read_text())
    yield JobStore(connection, "label-studio-ml")
    connection.close()


def _begin(live: Live, project: int, what: str) -> str:
    """Start a fit that does `what`; return its job when it does."""
    live.studio.add(project, project * 10, project * 10 + 1)
    live.setup(project)
    control = live.control(project)
    control.do(what)
    job = live.send(start_training(project))
    wait_until(lambda: control.fits("end"), f"the fit does {what}", every=0.02)
    return job


def _get(live: Live, path: str) -> dict[str, Any]:
    answer = requests.get(f"{live.backend.url}{path}", timeout=30)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def _settled(job_store: JobStore, project: int) -> bool:
    return not job_store.queues.events(uid(project)) and uid(project) not in job_store.queues.dirty()


def _no_version(live: Live, project: int) -> bool:
    store = VersionStore(live.model_dir)
    return not [path for path in store.folder(uid(project)).iterdir() if path.is_dir()]


def _next_run_works(live: Live, project: int) -> None:
    live.control(project).do("ok")
    assert live.wait(live.send(start_training(project)))["job_status"] == "finished"


def test_what_a_run_says_is_in_its_record_while_it_runs(live: Live, job_store: JobStore) -> None:
    control = live.control(1)
    control.folder.mkdir(parents=True)
    (control.folder / "hold").touch()
    job = _begin(live, 1, "report")
    (seen,) = wait_until(
        lambda: [one for one in job_store.jobs.of(uid(1)) if one.progress == 0.5],
        "progress arrives",
        every=0.02,
    )
    assert (seen.state, seen.message) == ("started", "step 5")
    assert seen.metrics == {"loss": 0.2, "accuracy": 0.5}
    points = wait_until(lambda: job_pages.read_points(job_store, job), "the metrics arrive")
    assert [(point["step"], point["loss"]) for point in points] == [(n, 1 / n) for n in range(1, 6)]
    wait_until(
        lambda: job_pages.read_log(job_store, job).current == "still working: 10 %",
        "the log arrives",
        every=0.02,
    )
    part = job_pages.read_log(job_store, job)
    assert "printed by a grandchild" in part.lines
    assert "at 100 %" in part.lines
    assert not [line for line in part.lines if "at 50 %" in line]
    (control.folder / "hold").unlink()
    done = live.wait(job)
    assert done["job_status"] == "finished", done
    assert job_pages.read_log(job_store, job, after=part.next).lines == ["still working: 10 %"]
    (manifest,) = VersionStore(live.model_dir).versions(uid(1))
    assert manifest.metrics == {"loss": 0.2, "accuracy": 0.75}, "what fit returned wins"
    folder = VersionStore(live.model_dir).folder(uid(1), manifest.id)
    kept = [msgspec.json.decode(line) for line in (folder / "metrics.jsonl").read_bytes().splitlines()]
    assert [point["step"] for point in kept] == [1, 2, 3, 4, 5]
    log = (live.folder / "logs" / "jobs" / f"{job}.log").read_text()
    assert log.splitlines().count("at 100 %") == 1
    assert "the token is [secret]" in log
    assert "stderr with [secret]" in log
    assert "logged with [secret]" in log
    assert TOKEN not in log
    assert TOKEN not in str(job_pages.read_log(job_store, job))
    assert (done["progress"], done["message"], done["metrics"]["loss"]) == (0.5, "step 5", 0.2)
    assert done["log"][-1] == "still working: 10 %"
    (listed,) = _get(live, "/jobs?project=1")["jobs"]
    assert {**listed, "log": []} == {**done, "log": []}
    assert _get(live, f"/jobs/{job}") == done
    rest = _get(live, f"/jobs/{job}/log?after={part.next}")
    assert (rest["lines"], rest["next"]) == (["still working: 10 %"], part.next + 1)
    assert _get(live, f"/jobs/{job}/metrics")["points"] == points


def test_the_previous_version_is_at_hand(live: Live) -> None:
    _next_run_works(live, 1)
    fit = live.control(1).fits()[-1]
    assert fit["previous"] == VersionStore(live.model_dir).versions(uid(1))[0].name


@pytest.mark.parametrize(
    ("project", "what", "ending"),
    [
        (10, "polite", "fit returned by itself"),
        (11, "raises", "fit raised RuntimeError: stopped in the middle"),
        (12, "busy", "ended by SIGTERM"),
        (13, "deaf", "ended by SIGKILL"),
        (14, "locked", "ended by SIGKILL"),
    ],
)
def test_a_running_job_is_cancelled(
    live: Live, job_store: JobStore, project: int, what: str, ending: str
) -> None:
    job = _begin(live, project, what)
    if what == "deaf":
        wait_until((live.control(project).folder / "deaf").exists, "it ignores SIGTERM")
    if what == "locked":
        wait_until((live.control(project).folder / "grandchild").exists, "it holds the lock")
    answer = live.post(f"/jobs/{job}/cancel", {})
    assert (answer.status_code, answer.json()["job"]) == (202, job)
    done = live.wait(job)
    assert done["job_status"] == "cancelled", done
    record = job_store.jobs.get(job)
    assert record is not None
    assert ending in record.ending
    assert record.ended
    assert _settled(job_store, project)
    assert _no_version(live, project)
    wait_until(lambda: not live.processes(TRAINING), "nothing of the run is left")
    assert done["ending"] == record.ending
    again = live.post(f"/jobs/{job}/cancel", {})
    assert again.status_code == 409
    assert "it is cancelled" in again.json()["detail"]
    assert live.setup(project) == "INITIAL"
    _next_run_works(live, project)
    assert live.control(project).overlaps == 0


def test_a_queued_job_is_cancelled_and_what_comes_later_is_not(live: Live, job_store: JobStore) -> None:
    live.control(20).close_gate()
    live.studio.add(20, 201)
    live.setup(20)
    running = live.send(start_training(20))
    live.control(20).wait_for_fit()
    waiting = live.send(created(20, 201))
    assert waiting != running
    assert cancellation.request_cancel(job_store, waiting).state == "queued"
    live.send(created(20, 202))
    live.control(20).open_gate()
    done = live.wait(waiting)
    assert (done["job_status"], done["events"]) == ("cancelled", 1)
    record = job_store.jobs.get(waiting)
    assert record is not None
    assert record.ending == "it had not begun"
    wait_until(lambda: _settled(job_store, 20) and not live.running(20), "the later event is trained on")
    assert live.wait(running)["job_status"] == "finished"
    jobs = {job.id: job for job in job_store.jobs.of(uid(20))}
    (later,) = [job for name, job in jobs.items() if name not in (running, waiting)]
    assert (later.state, later.events) == ("finished", 1)
    versions = VersionStore(live.model_dir).versions(uid(20))
    assert sorted(len(version.events) for version in versions) == [1, 1]


def test_a_cancelled_run_whose_worker_is_killed_stays_cancelled(live: Live, job_store: JobStore) -> None:
    job = _begin(live, 21, "deaf")
    wait_until((live.control(21).folder / "deaf").exists, "it ignores SIGTERM")
    cancellation.request_cancel(job_store, job)
    live.kill(WORKER)
    assert live.wait(job)["job_status"] == "cancelled"
    record = job_store.jobs.get(job)
    assert record is not None
    assert "its worker ended" in record.ending
    wait_until(lambda: _settled(job_store, 21), "its events have an outcome")
    assert len(live.control(21).fits()) == 1
    wait_until(
        lambda: [shown.id for shown in job_store.jobs.of(uid(21))] == [job],
        "the wake-up after it left no job",
    )
    _next_run_works(live, 21)


def test_cancelling_an_unknown_job(job_store: JobStore) -> None:
    with pytest.raises(UnknownJob, match="no job none"):
        cancellation.request_cancel(job_store, "none")
    assert not job_store.redis.exists(job_store.keys.job("none"))


@pytest.mark.parametrize(
    ("project", "what", "cause"),
    [
        (30, "memory", "MemoryError"),
        (31, "interrupt", "KeyboardInterrupt"),
    ],
)
def test_a_fit_that_fails_is_recorded_with_its_cause(
    live: Live, job_store: JobStore, project: int, what: str, cause: str
) -> None:
    job = _begin(live, project, what)
    done = live.wait(job)
    assert done["job_status"] == "failed"
    assert cause in done["error"]
    assert "run_model.py, line" in done["error"]
    assert _settled(job_store, project)
    assert len(live.control(project).fits()) == 1
    _next_run_works(live, project)


def test_a_version_that_cannot_be_published_says_why(live: Live, job_store: JobStore) -> None:
    """And is not tried again and again."""
    job = _begin(live, 33, "unnameable")
    done = live.wait(job)
    assert done["job_status"] == "failed"
    assert done["error"].startswith("The version that fit made cannot be published: UnicodeEncodeError: ")
    assert _settled(job_store, 33)
    assert len(live.control(33).fits()) == 1
    _next_run_works(live, 33)


def test_a_fit_that_reads_address_zero(live: Live) -> None:
    job = _begin(live, 32, "null")
    done = live.wait(job)
    assert done["job_status"] == "interrupted"
    assert "killed by SIGSEGV" in done["error"]
    wait_until(lambda: len(live.control(32).fits()) == 3 and not live.running(32), "it was tried three times")
    _next_run_works(live, 32)


def test_a_flood_of_output_fills_neither_disk_nor_memory(live: Live, job_store: JobStore) -> None:
    worker = live.one(WORKER)
    job = _begin(live, 33, "flood:256")
    done = live.wait(job, 120)
    assert done["job_status"] == "finished", done
    path = live.folder / "logs" / "jobs" / f"{job}.log"
    assert path.stat().st_size < 20 << 20
    log = path.read_text()
    assert "this log is full" in log
    assert "bytes are left out here" in log
    assert log.endswith("the last line\n")
    assert _peak(worker) < 200 << 20
    part = job_pages.read_log(job_store, job, after=-3)
    assert part.lines[-1] == "the last line"
    assert part.next > 256 << 10, "the lines that are left out are counted"


def _peak(pid: int) -> int:
    """Return the most memory that a process has used, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) << 10


@pytest.mark.parametrize(("what", "ending"), [("locked", "SIGKILL"), ("polite", "fit returned by itself")])
def test_a_fit_that_takes_too_long(launch: Callable[..., Live], what: str, ending: str) -> None:
    live = launch("run_model", env={"FIT_TIMEOUT": "3", "CANCEL_GRACE": "0.2"})
    job = _begin(live, 1, what)
    done = live.wait(job)
    assert done["job_status"] == "failed"
    assert "fit ran longer than 3 s" in done["error"]
    assert ending in done["error"]
    assert _no_version(live, 1)
    if what == "locked":
        grandchild = int((live.control(1).folder / "grandchild").read_text())
        wait_until(lambda: not alive(grandchild), "what it started is gone")
    wait_until(lambda: not live.running(1), "its events are settled")
    assert len(live.control(1).fits()) == 1
    _next_run_works(live, 1)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_fit_that_holds_the_interpreter_lock_ends_with_its_worker(
    launch: Callable[..., Live], number: signal.Signals
) -> None:
    """Nothing of Python can run in its process. A worker that is killed, and one that is stopped past its patience."""
    live = launch("run_model", env={"LABEL_STUDIO_ML_LEASE": "4"})
    _begin(live, 1, "locked")
    wait_until((live.control(1).folder / "grandchild").exists, "it holds the lock")
    grandchild = int((live.control(1).folder / "grandchild").read_text())
    (fit,) = live.control(1).fits()
    live.control(1).do("ok")
    worker = live.one(WORKER)
    began = time.monotonic()
    os.kill(worker, number)
    try:
        wait_until(lambda: not alive(fit["pid"]), "the fit ends", every=0.01)
        assert number == signal.SIGKILL or time.monotonic() - began > 0.5, "patience was had"
        wait_until(lambda: not alive(grandchild), "what it started ends too", every=0.01)
    finally:
        if number == signal.SIGSTOP:
            os.kill(worker, signal.SIGCONT)
    wait_until(lambda: VersionStore(live.model_dir).versions(uid(1)), "the training is done again")
    assert live.control(1).overlaps == 0


def test_a_silent_fit_that_holds_the_lock_lives_as_long_as_its_worker_speaks(
    launch: Callable[..., Live],
) -> None:
    live = launch("run_model", env={"LABEL_STUDIO_ML_LEASE": "6"})
    _begin(live, 1, "locked")
    wait_until((live.control(1).folder / "grandchild").exists, "it holds the lock")
    (fit,) = live.control(1).fits()
    until = time.monotonic() + 8  # twice its patience
    while time.monotonic() < until:
        assert alive(fit["pid"])
        time.sleep(0.05)
