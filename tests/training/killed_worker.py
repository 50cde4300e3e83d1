"""A worker that ends itself with SIGKILL at one step: `python killed_worker.py before|after STEP`."""

import os
import signal
import sys
from typing import Any

from label_studio_ml.config.settings import Settings
from label_studio_ml.training.process import publish
from label_studio_ml.training.records.event_queue import EventQueues
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.worker import rq_worker
from label_studio_ml.versions.store.local_store import VersionStore

STEPS: dict[str, tuple[Any, str]] = {
    "taking the job": (JobStore, "take_waiting"),
    "reading the mailbox": (EventQueues, "entries"),
    "making the folder": (VersionStore, "begin"),
    "committing": (VersionStore, "publish"),
    "storing the state": (publish, "apply_state"),
    "settling": (JobStore, "settle"),
}


def main() -> None:
    when, step = sys.argv[1:]
    owner, name = STEPS[step]
    original = getattr(owner, name)

    def dying(*args: Any, **kwargs: Any) -> Any:
        if when == "after":
            original(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, dying)
    rq_worker.work(Settings.from_env())


if __name__ == "__main__":
    main()
