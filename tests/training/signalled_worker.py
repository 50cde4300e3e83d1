"""A worker that gets SIGTERM at one step of its life: `python signalled_worker.py STEP`."""

import os
import signal
import sys
import threading
from typing import Any

from rq import SimpleWorker, Worker

from label_studio_ml.config.settings import Settings
from label_studio_ml.training.records.job_store_access import Holder
from label_studio_ml.training.scheduling.policy_cache import PolicyCache
from label_studio_ml.training.worker import rq_worker
from label_studio_ml.training.worker.trainer import Trainer

#: What is called just after the signal has come, in the order in which a worker calls it.
STEPS: dict[str, tuple[Any, str]] = {
    "waiting for Redis": (rq_worker, "wait_for"),
    "opening the queue": (rq_worker, "open_job_store"),
    "holding the queue": (Holder, "__init__"),
    "making RQ's worker": (rq_worker, "make_worker"),
    "making the trainer": (Trainer, "__init__"),
    "forgetting": (PolicyCache, "forget"),
    "starting the sweeper": (threading.Thread, "start"),
    "beginning RQ's loop": (SimpleWorker, "bootstrap"),
    "registering": (SimpleWorker, "register_birth"),
    "subscribing": (rq_worker.Worker, "subscribe"),
    "asking whether it is suspended": (SimpleWorker, "check_for_suspension"),
    "waiting for work": (rq_worker.Worker, "dequeue_job_and_maintain_ttl"),
    "the first heartbeat": (SimpleWorker, "heartbeat"),
    "cleaning up": (rq_worker.Worker, "run_maintenance_tasks"),
}


def main() -> None:
    assert issubclass(rq_worker.Worker, SimpleWorker)
    assert not issubclass(rq_worker.Worker, Worker)
    owner, name = STEPS[sys.argv[1]]
    original = getattr(owner, name)
    told = False

    def signalled(*args: Any, **kwargs: Any) -> Any:
        nonlocal told
        if not told and (name != "start" or args[0].name == "sweeper"):
            told = True
            os.kill(os.getpid(), signal.SIGTERM)
        return original(*args, **kwargs)

    setattr(owner, name, signalled)
    rq_worker.work(Settings.from_env())


if __name__ == "__main__":
    main()
