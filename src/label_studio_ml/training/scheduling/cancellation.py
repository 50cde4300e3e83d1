"""Cancel training jobs: the request is a field of the job's record, which workers check before and during a run."""

import logging

from label_studio_ml.errors import JobEnded, UnknownJob
from label_studio_ml.training.policy import Entry, order
from label_studio_ml.training.records.job_record import RECENT_JOBS, Job, now
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.redis_errors import broker_errors

logger = logging.getLogger(__name__)

#: Requests a job's cancellation if it has not ended, and stores the id of the last event in the event queue as `upto`.
#: Keys: job, event queue. Argument: time. Returns the job's state, false if there is no such job.
_REQUEST_CANCEL = """
local state = redis.call('hget', KEYS[1], 'state')
if state == 'queued' or state == 'started' then
  redis.call('hsetnx', KEYS[1], 'cancel', ARGV[1])
  local last = redis.call('xrevrange', KEYS[2], '+', '-', 'COUNT', 1)
  if last[1] then redis.call('hsetnx', KEYS[1], 'upto', last[1][1]) end
end
return state
"""


@broker_errors()
def request_cancel(job_store: JobStore, job_id: str) -> Job:
    """Request the cancellation of a job, and return its record. A second request changes nothing.

    Raises UnknownJob, JobEnded if the job has ended already, and BrokerError.
    """
    job = job_store.jobs.get(job_id)
    if job is not None:
        job_store.redis.eval(
            _REQUEST_CANCEL, 2, job_store.keys.job(job_id), job_store.keys.mailbox(job.project), now()
        )
        if job.postponed and job_store.redis.delete(job_store.keys.postponement(job.project)):
            job_store.wake(job.project)
        job = job_store.jobs.get(job_id)
    if job is None:
        raise UnknownJob(
            f"There is no job {job_id}", fix="List them with: label-studio-ml jobs DIR", field="job"
        )
    if not job.running:
        raise JobEnded(f"Job {job_id} has ended already: it is {job.state}", field="job")
    return job


def settle_cancelled(
    job_store: JobStore, project: str, current: str | None, events: list[Entry]
) -> tuple[list[Entry], str | None]:
    """Settle cancelled jobs that had not begun or whose worker ended, oldest first, and remove their events.

    Returns the remaining `events`, and `current`, or None if the `current` job was cancelled. The caller must hold the
    project's lease. Raises BrokerError.
    """
    waiting_id = job_store.waiting_id(project)
    # Oldest first, because a cancelled job takes the events up to `upto` that no older job has taken.
    oldest_first = reversed(list(job_store.jobs.of(project, limit=RECENT_JOBS)))
    for job in oldest_first:
        if not job.running or not job.cancel or job.id == waiting_id:
            continue
        event_ids = [event.id for event in events if job.upto and order(event.id) <= order(job.upto)]
        events = events[len(event_ids) :]
        has_started = job.state == "started"
        ending = "its worker ended before it did" if has_started else "it had not begun"
        job_store.settle(
            project,
            job.id,
            event_ids,
            state="cancelled",
            ended=now(),
            ending=ending,
            events=len(event_ids),
        )
        logger.info("Job %s of project %s is cancelled: %s", job.id, project, ending)
        current = None if job.id == current else current
    return events, current
