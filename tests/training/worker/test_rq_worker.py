"""Training with real processes, when nothing goes wrong and when user code does."""

import os
import time
from collections.abc import Iterator

import pytest
import requests

from e2e.processes import wait_until
from live import (
    TRAINING,
    FakeStudio,
    Live,
    alive,
    created,
    created_in_bulk,
    make_live,
    start_training,
    uid,
)


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory, studio: FakeStudio) -> Iterator[Live]:
    live = make_live(tmp_path_factory.mktemp("seed") / "backend", studio, "seed_model")
    live.backend.start()
    yield live
    broker = live.broker()
    assert not live.backend.stop()
    assert not alive(broker)
    assert "exception raised while executing" not in (live.folder / "logs" / "rq.log").read_text()


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory, studio: FakeStudio) -> Iterator[Live]:
    live = make_live(tmp_path_factory.mktemp("event") / "backend", studio, "event_model")
    live.backend.start()
    yield live
    broker = live.broker()
    assert not live.backend.stop()
    assert not alive(broker)
    assert "exception raised while executing" not in (live.folder / "logs" / "rq.log").read_text()


def _meets_a_full_disk(live: Live, project: int) -> None:
    """Check that a fit that cannot write loses no event: its job waits, says why, and goes on once there is room."""
    live.studio.add(project, 921)
    live.setup(project)
    control = live.control(project)
    control.do("full disk")
    job = live.send(created(project, 921))
    wait_until(lambda: len(control.fits()) >= 2, "it is tried again by itself")

    def said() -> str:
        record = live.job(job)
        return str(record.get("message", "")) if record["job_status"] == "queued" else ""

    message = wait_until(said, "the job waits")
    assert "No space left on device: 'weights.bin'" in message
    assert "The disk of weights.bin is full: make room on it (try " in message
    control.do("ok")
    done = live.wait(job)
    assert (done["job_status"], done["events"]) == ("finished", 1)
    assert done["model_version"]


# The seed generation


def test_a_fit_that_meets_a_full_disk_is_tried_again(seed: Live) -> None:
    _meets_a_full_disk(seed, 92)


def test_an_event_trains_and_the_version_is_served(seed: Live) -> None:
    seed.studio.add(1, 11, 12, 13)
    assert seed.setup(1) == "INITIAL"
    job = seed.send(created(1, 13))
    done = seed.wait(job)
    assert done["job_status"] == "finished", done
    assert done["annotations"] == 3
    assert done["source"] == "Label Studio"
    entry = seed.wait_served(1, lambda entry: entry["model_version"] == done["model_version"])
    assert entry["seen"]["weights"] == "3 tasks"
    assert entry["seen"]["output"]["tasks"] == 3
    assert entry["seen"]["output"]["job_id"] == job
    assert seed.setup(1) == done["model_version"]
    (fit,) = seed.control(1).fits()
    assert fit["tasks"] == [11, 12, 13]
    assert fit["event"] == "ANNOTATION_CREATED"
    log = (seed.folder / "logs" / "jobs" / f"{job}.log").read_text()
    assert "printed by fit" in log
    assert "logged by fit" in log
    words = seed.folder / "logs" / "rq.log"
    wait_until(lambda: job in words.read_text(), "the server has written what the worker said")
    assert not seed.running(1)


def test_events_that_come_during_a_fit_are_one_run(seed: Live) -> None:
    seed.studio.add(2, 21)
    seed.setup(2)
    control = seed.control(2)
    control.close_gate()
    first = seed.send(created(2, 21))
    control.wait_for_fit()
    later = {seed.send(created(2, 22 + number)) for number in range(20)}
    assert len(later) == 1
    assert later != {first}
    assert seed.running(2)
    control.open_gate()
    assert seed.wait(later.pop())["events"] == 20
    assert len(control.fits()) == 2
    assert control.overlaps == 0


def test_five_clicks_are_one_running_and_one_waiting_run(seed: Live) -> None:
    seed.studio.add(3, 31)
    seed.setup(3)
    control = seed.control(3)
    control.close_gate()
    jobs = [seed.send(start_training(3))]
    control.wait_for_fit()
    jobs += [seed.send(start_training(3)) for _ in range(4)]
    assert len(set(jobs)) == 2
    control.open_gate()
    assert {seed.wait(job)["job_status"] for job in jobs} == {"finished"}
    assert len(control.fits()) == 2


def test_predictions_go_on_while_a_fit_runs(seed: Live) -> None:
    seed.studio.add(4, 41)
    seed.setup(4)
    control = seed.control(4)
    control.close_gate()
    job = seed.send(start_training(4))
    control.wait_for_fit()
    assert seed.predict(4)["model_version"] == "INITIAL"
    control.open_gate()
    assert seed.wait(job)["job_status"] == "finished"


@pytest.mark.parametrize(
    ("what", "cause"),
    [
        ("raise", "ValueError: this fit was told to fail (behave.py, line"),
        ("sys.exit", "SystemExit: 3"),
    ],
)
def test_a_fit_that_raises_is_recorded_and_the_next_run_works(seed: Live, what: str, cause: str) -> None:
    project = {"raise": 50, "sys.exit": 51}[what]
    seed.studio.add(project, 501)
    seed.setup(project)
    control = seed.control(project)
    control.do(what)
    failed = seed.wait(seed.send(start_training(project)))
    assert failed["job_status"] == "failed"
    assert cause in failed["error"]
    assert len(control.fits()) == 1
    control.do("ok")
    assert seed.wait(seed.send(start_training(project)))["job_status"] == "finished"
    assert len(control.fits()) == 2


@pytest.mark.parametrize(
    ("what", "cause"),
    [
        ("os._exit", "ended with status 4"),
        ("kill", "killed by SIGKILL"),
        ("segfault", "killed by SIGSEGV"),
        ("fork and kill", "killed by SIGKILL"),
        ("real-time signal", "killed by signal 35"),
    ],
)
def test_a_fit_that_crashes_is_tried_three_times_and_set_aside(seed: Live, what: str, cause: str) -> None:
    project = {"os._exit": 60, "kill": 61, "segfault": 62, "fork and kill": 63, "real-time signal": 65}[what]
    seed.studio.add(project, 601)
    seed.setup(project)
    control = seed.control(project)
    control.do(what)
    failed = seed.wait(seed.send(created(project, 601)))
    assert failed["job_status"] == "interrupted"
    assert cause in failed["error"]
    wait_until(lambda: len(control.fits()) == 3 and not seed.running(project), "it was tried three times")
    control.do("ok")
    assert seed.wait(seed.send(start_training(project)))["events"] == 1
    assert len(control.fits()) == 4


def test_what_a_crashed_fit_had_started_is_ended(seed: Live) -> None:
    seed.studio.add(64, 641)
    seed.setup(64)
    control = seed.control(64)
    control.do("fork and kill")
    seed.send(start_training(64))
    wait_until(lambda: len(control.fits()) == 3 and not seed.running(64), "it was tried three times")
    wait_until(lambda: not seed.processes(TRAINING), "nothing of the runs is left")


def test_one_project_waits_for_no_lease_of_another(seed: Live) -> None:
    """One worker: while it trains one project, another one's events wait in the queue and are not lost."""
    for project in (70, 71):
        seed.studio.add(project, 701)
        seed.setup(project)
    seed.control(70).close_gate()
    busy = seed.send(start_training(70))
    seed.control(70).wait_for_fit()
    waiting = seed.send(start_training(71))
    time.sleep(1.0)  # several sweeps go by
    assert seed.job(waiting)["job_status"] == "queued"
    assert seed.running(71)
    seed.control(70).open_gate()
    assert seed.wait(waiting)["job_status"] == "finished"
    assert seed.wait(busy)["job_status"] == "finished"
    assert len(seed.control(71).fits()) == 1


def test_the_folder_of_a_failed_run_is_removed(seed: Live) -> None:
    seed.studio.add(80, 801)
    seed.setup(80)
    seed.control(80).do("raise")
    seed.wait(seed.send(start_training(80)))
    (folder,) = (seed.model_dir / "versions").glob("80.*")
    # The record says that it failed first.
    wait_until(lambda: not [path for path in folder.iterdir() if path.is_dir()], "it is removed")
    assert not list((seed.model_dir / "runs").iterdir())


def test_deleted_while_it_trains(seed: Live) -> None:
    seed.studio.add(81, 811)
    seed.setup(81)
    control = seed.control(81)
    control.close_gate()
    seed.send(start_training(81))
    control.wait_for_fit()
    assert seed.post("/delete", {"project": "81"}).status_code == 200
    control.open_gate()
    wait_until(lambda: not seed.processes(TRAINING), "the run has ended")
    assert seed.setup(81) == "INITIAL"
    assert seed.wait(seed.send(start_training(81)))["job_status"] == "finished"


def test_where_label_studio_is_out_of_reach_what_webhooks_brought_counts(seed: Live) -> None:
    seed.setup(90)  # the fake does not know this project
    control = seed.control(90)
    done = seed.wait(seed.send(created(90, 902)))
    assert done["source"] == "webhook events", done
    done = seed.wait(seed.send(created(90, 901)))
    assert done["annotations"] == 2
    assert control.fits()[-1]["tasks"] == [901, 902]
    skipped = created(90, 902, was_cancelled=True)
    skipped["action"] = "ANNOTATION_UPDATED"
    assert seed.wait(seed.send(skipped))["annotations"] == 1


def test_nothing_to_train_on_says_why(seed: Live) -> None:
    seed.setup(91)
    failed = seed.wait(seed.send(start_training(91)))
    assert failed["job_status"] == "failed"
    assert "annotations of project 91 cannot be read" in failed["error"]
    assert not seed.control(91).fits()


# The event generation


def test_each_event_is_one_fit_in_order(listener: Live) -> None:
    assert listener.setup(1) in ("0.0.1", "INITIAL")
    control = listener.control(1)
    control.close_gate()
    jobs = [listener.send(created(1, 10))]
    control.wait_for_fit()
    jobs += [listener.send(created(1, number)) for number in range(11, 16)]
    control.open_gate()
    assert {listener.wait(job)["job_status"] for job in jobs} == {"finished"}
    fits = control.fits()
    assert [fit["annotation"] for fit in fits] == [1010, 1011, 1012, 1013, 1014, 1015]
    assert {fit["event"] for fit in fits} == {"ANNOTATION_CREATED"}
    entry = listener.wait_served(1, lambda entry: entry["model_version"] == "1.0.6")
    assert entry["seen"] == "6"
    assert listener.setup(1) == "1.0.6"


def test_a_fit_that_changes_nothing_makes_no_version_and_its_record_says_so(listener: Live) -> None:
    listener.setup(33)
    listener.control(33).do("nothing")
    done = listener.wait(listener.send(created(33, 31)))
    assert (done["job_status"], done.get("model_version"), done.get("error")) == ("finished", None, None)
    assert done["message"].startswith("No new version: fit returned nothing, changed no value")
    assert not list((listener.model_dir / "versions").glob(f"{uid(33)}/*/manifest.json"))


def test_a_bulk_event_is_split(listener: Live) -> None:
    listener.setup(2)
    job = listener.send(created_in_bulk(2, 21, 22, 23))
    assert listener.wait(job)["model_version"] == "1.0.3"
    fits = listener.control(2).fits()
    assert [(fit["event"], fit["annotation"], fit["task"]["id"]) for fit in fits] == [
        ("ANNOTATION_CREATED", 1021, 21),
        ("ANNOTATION_CREATED", 1022, 22),
        ("ANNOTATION_CREATED", 1023, 23),
    ]


def test_deleted_annotations_arrive_under_the_older_name(listener: Live) -> None:
    listener.setup(3)
    event = {**start_training(3), "action": "ANNOTATIONS_DELETED", "annotations": [{"id": 1}, {"id": 2}]}
    listener.wait(listener.send(event))
    fits = listener.control(3).fits()
    assert [(fit["event"], fit["annotation"]) for fit in fits] == [
        ("ANNOTATION_DELETED", 1),
        ("ANNOTATION_DELETED", 2),
    ]


def test_an_event_that_fails_takes_no_other_with_it(listener: Live) -> None:
    listener.setup(4)
    control = listener.control(4)
    control.do("raise:1042")
    control.close_gate()
    jobs = [listener.send(created(4, 40))]
    control.wait_for_fit()
    jobs += [listener.send(created(4, number)) for number in (41, 42, 43)]
    control.open_gate()
    outcomes = [listener.wait(job) for job in jobs]
    assert [fit["annotation"] for fit in control.fits()] == [1040, 1041, 1042, 1043]
    assert [fit["annotation"] for fit in control.fits("end")] == [1040, 1041, 1043]
    assert "1 of 3 events" in outcomes[-1]["error"]
    assert "told to fail" in outcomes[-1]["error"]
    # What the failed event had set is not kept: three events count.
    assert outcomes[-1]["model_version"] == "1.0.3"


def test_a_single_event_that_fails_leaves_nothing(listener: Live) -> None:
    listener.setup(5)
    listener.control(5).do("raise")
    failed = listener.wait(listener.send(created(5, 51)))
    assert failed["job_status"] == "failed"
    assert "model_version" not in failed
    listener.control(5).do("ok")
    assert listener.wait(listener.send(created(5, 52)))["model_version"] == "1.0.1"


def test_an_event_whose_fit_meets_a_full_disk_is_tried_again(listener: Live) -> None:
    _meets_a_full_disk(listener, 92)


def test_no_two_versions_have_one_name(listener: Live) -> None:
    """A version that is deleted and trained again under its old name is another one for Label Studio."""
    listener.setup(6)
    names = [listener.wait(listener.send(created(6, number)))["model_version"] for number in (61, 62)]
    assert names == ["1.0.1", "1.0.2"]
    answer = requests.get(f"{listener.backend.url}/versions", params={"project": "6"}, timeout=30)
    assert answer.json()["versions"][:2] == ["1.0.2", "1.0.1"]


def test_no_fit_is_alive_after_its_run(listener: Live) -> None:
    listener.setup(7)
    listener.control(7).do("fork")
    listener.wait(listener.send(created(7, 71)))
    (fit,) = listener.control(7).fits()
    wait_until(lambda: not alive(fit["pid"]), "the fit's process is gone")
    wait_until(lambda: not listener.processes(TRAINING), "what it started is gone too")
    assert os.path.isdir(listener.model_dir)
