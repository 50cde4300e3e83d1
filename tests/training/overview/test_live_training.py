"""One training as pages follow it."""

from label_studio_ml.training.overview.live_training import LIVE_POINTS, LiveTrainings
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.job_pages import write_progress
from label_studio_ml.training.records.job_store import JobStore
from live import created, uid

P = uid(1)


def _started(job_store: JobStore) -> str:
    event = created(1, 1)
    job = job_store.record(P, StoredEvent(event["action"], event))
    job_store.take_waiting(P)
    job_store.update_job(job, state="started")
    return job


def test_a_running_training_has_progress_points_and_lines(job_store: JobStore) -> None:
    job, live = _started(job_store), LiveTrainings("/backend")
    point = {"loss": 0.5, "step": 1}
    write_progress(job_store, job, {"progress": "0.5"}, points=[point], first=0, lines=["one"])
    value = live.read(job_store, job)
    assert value is not None
    assert (value["state"], value["progress"], value["points"]) == ("started", 0.5, [point])
    assert value["log"] == {"first": 0, "next": 1, "lines": ["one"], "current": ""}
    write_progress(job_store, job, {}, points=[point, {"loss": 0.4, "step": 2}], first=1, lines=[])
    value = live.read(job_store, job)
    assert value is not None
    assert len(value["points"]) == 2


def test_many_points_are_thinned_out(job_store: JobStore) -> None:
    job = _started(job_store)
    points = [{"loss": 1.0 / number, "step": number} for number in range(1, 5001)]
    write_progress(job_store, job, {}, points=points, first=0, lines=[])
    value = LiveTrainings("/backend").read(job_store, job)
    assert value is not None
    assert len(value["points"]) <= LIVE_POINTS + 1
    assert (value["points"][0], value["points"][-1]) == (points[0], points[-1])


def test_a_waiting_training_says_for_what_and_an_unknown_one_is_none(job_store: JobStore) -> None:
    event = created(1, 1)
    job = job_store.record(P, StoredEvent(event["action"], event))
    value = LiveTrainings("/backend").read(job_store, job)
    assert value is not None
    assert value["wait"]["kind"] == "worker"
    assert LiveTrainings("/backend").read(job_store, "20260101-000000-aaaaaa") is None
