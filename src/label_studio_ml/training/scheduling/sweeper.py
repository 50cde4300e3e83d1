"""The sweeper: every few seconds, wake workers for due projects whose wake-up got lost or whose postponement ended."""

import logging
import math
import threading
from collections.abc import Callable

from label_studio_ml.errors import BrokerError
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.scheduling.policy_cache import PolicyCache

logger = logging.getLogger(__name__)


def sweep(job_store: JobStore, policies: PolicyCache, lease: float) -> float:
    """Wake workers for projects with queued events that are neither postponed nor being trained.

    `lease` is the life of a lease in seconds. Returns the seconds until the first postponement ends, infinity if none
    ends at a known time. Raises BrokerError.
    """
    projects = job_store.queues.dirty()
    if not projects:
        return math.inf
    code, now = policies.code, job_store.queues.clock()
    times = []
    for uid in projects:
        postponement = job_store.postponement(uid)
        if postponement is not None and postponement.applies(code, now):
            times += [postponement.at] if postponement.at is not None else []
        elif not job_store.leased(uid, lease):
            logger.info("Project %s has events and no run: waking a worker", uid)
            job_store.wake(uid)
    return max(0.0, (min(times) - now) / 1000) if times else math.inf


def sweep_forever(
    job_store: JobStore,
    policies: PolicyCache,
    lease: float,
    pause: float,
    postponed: threading.Event,
    stopping: threading.Event,
    maintain: Callable[[], None] = lambda: None,
) -> None:
    """Sweep every `pause` seconds until `stopping` is set, in turn with the other workers: one of them sweeps.

    This worker also sweeps at its start, when a postponement that it knows of ends, when `postponed` is set, and after
    an error. `maintain` is called in each interval, whichever worker sweeps. Errors are logged, and the next sweep
    follows: without a sweeper, projects would wait for ever.
    """
    sweeps = True
    while not stopping.is_set():
        wait, failed = pause, False
        postponed.clear()
        try:
            if job_store.wake_ups.take_sweep_turn(pause) or sweeps:
                wait = min(pause, sweep(job_store, policies, lease))
            maintain()
        except BrokerError as error:
            logger.warning("%s", error)
            failed = True
        except Exception:
            logger.exception("The search for projects to train failed")
            failed = True
        was_postponed = postponed.wait(max(wait, 0.01))
        sweeps = was_postponed or failed or wait < pause
