"""When a project is trained, and what waits meanwhile: with real processes."""

import re
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from e2e.processes import wait_until
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.redis_client import connect
from label_studio_ml.training.scheduling.cancellation import request_cancel
from label_studio_ml.versions.store.local_store import VersionStore
from live import WORKER, Live, alive, annotation, created, created_in_bulk, start_training, task, uid
from studio.fake import Reply

Launch = Callable[..., Live]


def _job_store(live: Live) -> JobStore:
    live.broker()
    return JobStore(connect((live.model_dir / "broker" / "address").read_text()), "label-studio-ml")


def _says(live: Live, job: str, pattern: str) -> dict[str, Any]:
    """Wait until a job says what it waits for."""

    def said() -> list[dict[str, Any]]:
        found = live.job(job)
        return [found] if re.search(pattern, found.get("message", "")) else []

    found = wait_until(said, f"the job says {pattern!r}", every=0.05)[0]
    assert found["job_status"] == "queued"
    return found


def _children(live: Live) -> int:
    """How many children were started."""
    return (live.folder / "logs" / "rq.log").read_text().count(": training project")


def _sweeps(live: Live) -> None:
    """Let another project be trained meanwhile: the sweeper has looked around, and the worker was free."""
    live.studio.add(99, 991)
    live.setup(99)
    assert live.wait(live.send(start_training(99)))["job_status"] == "finished"


def test_so_many_annotations_are_counted(launch: Launch) -> None:
    live = launch(env={"TRAIN_EVERY": "3"})
    live.studio.add(1, *range(1, 8))
    live.setup(1)
    control = live.control(1)
    job = live.send(created(1, 1))
    _says(live, job, r"1 of 3 \(train_every\)")
    assert not live.running(1), "it gathers, it does not train"
    begun = _children(live)
    assert begun == 1, "one had to be asked"
    assert live.send(created(1, 2)) == job
    _says(live, job, "2 of 3")
    _sweeps(live)
    assert _children(live) == begun + 1, "nobody was asked again"
    assert not control.fits()
    assert live.send(created(1, 3)) == job
    assert live.wait(job)["events"] == 3
    later = live.send(created(1, 4))
    _says(live, later, "1 of 3")
    assert live.send(start_training(1)) == later
    assert live.wait(later)["events"] == 2
    bulk = live.send(created_in_bulk(1, 5, 6, 7))
    assert live.wait(bulk)["job_status"] == "finished"
    assert len(control.fits()) == 3
    assert _children(live) == begun + 4


def test_only_the_button(launch: Launch) -> None:
    live = launch(env={"TRAIN_EVERY": "0"})
    live.studio.add(2, 1)
    live.setup(2)
    job = live.send(created(2, 1))
    _says(live, job, "waits for the training button")
    assert {live.send(created(2, number)) for number in range(2, 12)} == {job}
    assert live.send(start_training(2)) == job
    assert live.wait(job)["events"] == 12
    assert len(live.control(2).fits()) == 1


def test_a_quiet_time_is_waited_for(launch: Launch) -> None:
    live = launch(env={"QUIET_PERIOD": "2"})
    live.studio.add(3, 1)
    live.setup(3)
    job = live.send(created(3, 1))
    assert live.send(created(3, 2)) == job
    done = live.wait(job)
    assert (done["job_status"], done["events"]) == ("finished", 2)
    begun, started = (datetime.fromisoformat(done[name]) for name in ("created", "started"))
    assert (started - begun).total_seconds() >= 2
    assert len(live.control(3).fits()) == 1


def test_the_button_waits_for_no_quiet_time(launch: Launch) -> None:
    live = launch(env={"QUIET_PERIOD": "3600"})
    live.studio.add(31, 1)
    live.setup(31)
    job = live.send(created(31, 1))
    _says(live, job, "waits until no event has come for 3600 s")
    assert live.send(start_training(31)) == job
    assert live.wait(job)["events"] == 2


def test_so_many_labelled_tasks_must_be_there(launch: Launch) -> None:
    live = launch(env={"MIN_ANNOTATIONS": "3"})
    live.studio.add(4, 1, 2)
    live.setup(4)
    job = live.send(created(4, 2))
    _says(live, job, r"2 of 3 \(min_annotations\)")
    begun = _children(live)
    live.studio.add(4, 3)
    assert live.send(created(4, 3)) == job
    assert live.wait(job)["annotations"] == 3
    assert _children(live) == begun + 1
    assert live.wait(live.send(created(4, 3)))["job_status"] == "finished"


def test_what_the_class_says_counts_across_restarts_and_changes(launch: Launch) -> None:
    live = launch("gathering_model")
    live.setup(5)
    control = live.control(5)
    job = live.send(created(5, 1))
    _says(live, job, "1 of 3")
    live.backend.stop()
    live.backend.start()
    assert live.send(created(5, 2)) == job
    _says(live, job, "2 of 3")
    assert live.send(created(5, 3)) == job
    assert live.wait(job)["model_version"] == "1.0.3"
    assert [fit["annotation"] for fit in control.fits()] == [1001, 1002, 1003]
    assert {fit["job"] for fit in control.fits()} == {job}
    later = live.send(created(5, 4))
    _says(live, later, "1 of 3")
    script = live.folder / "gathering_model.py"
    script.write_text(script.read_text().replace("train_every = 3", "train_every = 1"))
    assert live.wait(later)["model_version"] == "1.0.4", (
        "another code, another policy: nobody has to send anything"
    )


# What cannot be had at the moment


def _down(live: Live, project: int, status: int = 502) -> None:
    live.studio.on(f"/api/projects/{project}/", Reply.of({"detail": "no"}, status))


def test_label_studio_is_away_for_a_while(launch: Launch) -> None:
    live = launch()
    live.studio.add(6, 1)
    _down(live, 6)
    live.setup(6)
    job = live.send(start_training(6))
    found = _says(live, job, r"502.* \(try \d+; the next one is in \d+ s\)")
    first = int(re.findall(r"try (\d+)", found["message"])[0])
    _says(live, job, rf"try (?!{first};)\d+;")
    live.studio.add(6, 1, 2)
    assert live.wait(job)["annotations"] == 2
    assert not live.running(6)


@pytest.mark.parametrize(("status", "words"), [(401, "refused the token"), (404, "404")])
def test_what_will_not_pass_fails_at_once(launch: Launch, status: int, words: str) -> None:
    live = launch()
    _down(live, 7, status)
    live.setup(7)
    failed = live.wait(live.send(start_training(7)))
    assert failed["job_status"] == "failed"
    assert words in failed["error"]
    assert not live.running(7)
    live.studio.add(7, 1)
    assert live.wait(live.send(start_training(7)))["job_status"] == "finished"


def _command(live: Live, word: str) -> "subprocess.CompletedProcess[str]":
    """Run `label-studio-ml jobs` for a backend."""
    return subprocess.run(
        [sys.executable, "-m", "label_studio_ml", "jobs", str(live.folder), word],
        env=live.backend.env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_after_many_tries_the_events_are_set_aside_and_come_back(launch: Launch) -> None:
    live = launch()
    _down(live, 8)
    live.setup(8)
    job_store = _job_store(live)
    job_store.redis.hset(job_store.keys.attempts(uid(8)), "tries", 99)
    failed = live.wait(live.send(start_training(8)))
    assert "100 tries" in failed["error"]
    assert "--retry" in failed["error"]
    (parked,) = job_store.queues.parked(uid(8))
    assert (parked.event.action, "502" in parked.why) == ("START_TRAINING", True)
    assert not job_store.queues.events(uid(8))
    listed = _command(live, "--parked").stdout
    assert listed.splitlines()[1].startswith("8  ")
    assert "START_TRAINING" in listed
    assert "502" in listed
    live.studio.add(8, 1)
    back = _command(live, "--retry")
    assert back.returncode == 0, back.stderr
    job = back.stdout.split()[1].rstrip(":")
    assert live.wait(job)["job_status"] == "finished"
    assert _command(live, "--parked").stdout == "No events are set aside\n"
    assert _command(live, "--retry").returncode == 1
    job_store.redis.close()


def test_events_without_login_wait_for_label_studio(launch: Launch) -> None:
    # Each try takes a while, and the job is another one during it: the first pause is the time for what comes here.
    sweep = {"LABEL_STUDIO_ML_SWEEP": "3"}
    live = launch("event_model", auth=("somebody", "password"), env=sweep)
    live.studio.add(9, 1, 2)
    live.setup(9)
    control = live.control(9)
    assert live.wait(live.send(created(9, 1)))["job_status"] == "finished"
    live.studio.on("/api/tasks/2/", Reply.of({"detail": "no"}, 503))
    job = live.send(created(9, 2), login=False)
    _says(live, job, "cannot be checked")
    assert live.send(created(9, 1)) == job, "what comes later waits its turn"
    live.studio.add(9, 2)
    gone = {
        "action": "ANNOTATIONS_DELETED",
        "annotations": [{"id": 1001}],
        "project": created(9, 1)["project"],
    }
    live.send(gone, login=False)
    wait_until(lambda: len(control.fits("end")) == 4, "all of them are trained on")
    assert [(fit["event"], fit["annotation"]) for fit in control.fits()] == [
        ("ANNOTATION_CREATED", 1001),
        ("ANNOTATION_CREATED", 1002),
        ("ANNOTATION_CREATED", 1001),
        ("ANNOTATION_DELETED", 1001),
    ]
    assert control.fits()[1]["task"]["data"] == task(2)["data"]


def test_events_before_one_that_cannot_be_checked_are_trained_on(launch: Launch) -> None:
    live = launch("event_model", auth=("somebody", "password"))
    live.studio.add(10, 2)
    live.setup(10)
    control = live.control(10)
    control.close_gate()
    live.send(created(10, 0))
    control.wait_for_fit()
    live.studio.on("/api/tasks/2/", Reply.of({"detail": "no"}, 401))
    job = live.send(created(10, 1))
    live.send(created(10, 2), login=False)
    control.open_gate()
    done = live.wait(job)
    assert (done["model_version"], done["events"]) == ("1.0.2", 1)
    assert "cannot be checked" in done["error"]
    job_store = _job_store(live)
    (parked,) = wait_until(lambda: list(job_store.queues.parked(uid(10))), "the other one is set aside")
    assert parked.event.data["annotation"] == annotation(2)["id"]
    wait_until(lambda: not live.running(10), "no job is left")
    job_store.redis.close()


# Runs that never end well


def test_a_fit_that_crashes_keeps_what_was_before_and_sets_one_event_aside(launch: Launch) -> None:
    live = launch("event_model")
    live.setup(11)
    control = live.control(11)
    control.close_gate()
    live.send(created(11, 0))
    control.wait_for_fit()
    for number in range(1, 7):
        live.send(created(11, number))
    control.do("kill:1003")
    control.open_gate()
    job_store = _job_store(live)
    (parked,) = wait_until(
        lambda: list(job_store.queues.parked(uid(11))), "the event that crashes is set aside"
    )
    wait_until(
        lambda: not live.running(11) and not job_store.queues.events(uid(11)), "the others are trained on"
    )
    assert parked.event.data["annotation"]["id"] == 1003
    assert "3 runs crashed" in parked.why
    begun = [fit["annotation"] for fit in control.fits()]
    assert begun == [1000, 1001, 1002, 1003, 1003, 1003, 1004, 1005, 1006]
    store = VersionStore(live.model_dir)
    versions = store.versions(uid(11))
    assert versions[-1].name == "1.0.6", "six of seven count, each once"
    taken_in = [event for version in versions for event in version.events]
    assert len(taken_in) == len(set(taken_in)) == 6
    assert control.overlaps == 0
    control.do("ok")
    job = job_store.unpark(uid(11))
    assert job is not None
    assert live.wait(job)["model_version"] == "1.0.7"
    job_store.redis.close()


def test_a_worker_that_is_killed_between_events_loses_none_and_repeats_one(launch: Launch) -> None:
    live = launch("event_model", env={"LABEL_STUDIO_ML_LEASE": "3"})
    live.setup(12)
    control = live.control(12)
    control.close_gate()
    live.send(created(12, 0))
    control.wait_for_fit()
    for number in range(1, 5):
        live.send(created(12, number))
    worker = live.one(WORKER)
    control.do(f"end process:{worker}")
    control.open_gate()
    wait_until(lambda: not alive(worker), "the first fit ends its worker")
    control.do("ok")
    wait_until(lambda: len(control.fits("end")) == 5, "all of them are trained on")
    wait_until(lambda: not live.running(12), "all have an outcome")
    assert [fit["annotation"] for fit in control.fits("end")] == [1000, 1001, 1002, 1003, 1004]
    newest = VersionStore(live.model_dir).newest(uid(12))
    assert newest is not None
    assert newest.name == "1.0.5"
    assert control.overlaps == 0


def test_runs_that_always_end_their_worker_end_too(launch: Launch) -> None:
    live = launch(env={"LABEL_STUDIO_ML_LEASE": "3"})
    live.studio.add(13, 1)
    live.setup(13)
    control = live.control(13)
    control.do(f"end process:{live.one(WORKER)}")
    job_store = _job_store(live)
    job_store.redis.hset(job_store.keys.attempts(uid(13)), "starts", 9)
    live.send(created(13, 1))
    control.wait_for_fit()
    (parked,) = wait_until(lambda: list(job_store.queues.parked(uid(13))), "the event is set aside")
    assert "10 runs ended with their worker" in parked.why
    assert len(control.fits()) == 1
    control.do("ok")
    assert live.wait(live.send(start_training(13)))["job_status"] == "finished"
    job_store.redis.close()


# Cancelling


def test_a_job_that_waits_for_annotations_is_cancelled(launch: Launch) -> None:
    live = launch(env={"TRAIN_EVERY": "3"})
    live.studio.add(14, 1)
    live.setup(14)
    job = live.send(created(14, 1))
    _says(live, job, "1 of 3")
    job_store = _job_store(live)
    request_cancel(job_store, job)
    assert live.wait(job)["job_status"] == "cancelled"
    wait_until(lambda: not job_store.queues.events(uid(14)), "its events are settled")
    assert not live.control(14).fits()
    job_store.redis.close()
