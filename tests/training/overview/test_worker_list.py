"""The list of training workers."""

from label_studio_ml.training.overview.worker_list import workers
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.worker.rq_worker import make_worker
from training.conftest import embedded_url, job_store, redis_url, url  # noqa: F401


def test_workers_have_host_process_and_state(job_store: JobStore, url: str) -> None:  # noqa: F811
    assert workers(job_store) == []
    worker = make_worker(url, job_store.keys.queue, name="Model.1")
    worker.register_birth()
    try:
        (found,) = workers(job_store)
        assert (found.name, found.host, found.pid) == ("Model.1", worker.hostname, worker.pid)
        assert found.started
        worker.set_state("busy")
        worker.set_current_job_id("a-job")
        (found,) = workers(job_store)
        assert (found.state, found.job) == ("busy", "a-job")
    finally:
        worker.register_death()
    assert workers(job_store) == []


def test_a_worker_whose_record_expired_is_left_out(job_store: JobStore) -> None:  # noqa: F811
    job_store.redis.sadd(job_store.keys.workers, "rq:worker:gone", "rq:worker:odd")
    job_store.redis.set("rq:worker:odd", "no hash")
    assert workers(job_store) == []
