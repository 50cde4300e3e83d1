"""Every Redis key of ours, named here and nowhere else.

    lsml:mailbox:{project}     stream: webhook events that no training has taken in; the truth about what is to be done
    lsml:dirty                 set: projects with events in their mailbox
    lsml:waiting:{project}     string: id of the job that the next run will be
    lsml:lease:{project}       string: held, expiring, by the one worker that trains the project
    lsml:fence:{project}       integer: raised for each run; orders the versions
    lsml:attempts:{project}    integer: runs of the present events that crashed
    lsml:parked:{project}      stream: events whose runs crashed too often
    lsml:delivered:{project}   hash "<task>:<annotation>" → JSON: labelled tasks that webhooks delivered
    lsml:job:{job}             hash: one training job's record
    lsml:outcomes              hash: how many runs ended in each outcome
    lsml:log:{job}             list: the last lines of a job's log, expiring
    lsml:points:{job}          list: JSON of a job's metrics over time, expiring
    lsml:jobs:{project}        list: job ids of the project, newest first

RQ keeps its own keys under `rq:`.
"""

DIRTY = "lsml:dirty"
OUTCOMES = "lsml:outcomes"


def mailbox(project: str) -> str:
    """Return the key of the project's events."""
    return f"lsml:mailbox:{project}"


def waiting(project: str) -> str:
    """Return the key of the id of the project's next job."""
    return f"lsml:waiting:{project}"


def lease(project: str) -> str:
    """Return the key of the project's lease."""
    return f"lsml:lease:{project}"


def fence(project: str) -> str:
    """Return the key of the project's fence."""
    return f"lsml:fence:{project}"


def attempts(project: str) -> str:
    """Return the key of the project's count of crashed runs."""
    return f"lsml:attempts:{project}"


def parked(project: str) -> str:
    """Return the key of the project's parked events."""
    return f"lsml:parked:{project}"


def delivered(project: str) -> str:
    """Return the key of the project's delivered annotations."""
    return f"lsml:delivered:{project}"


def job(job_id: str) -> str:
    """Return the key of a job's record."""
    return f"lsml:job:{job_id}"


def jobs(project: str) -> str:
    """Return the key of the project's job ids."""
    return f"lsml:jobs:{project}"


def log(job_id: str) -> str:
    """Return the key of the last lines of a job's log."""
    return f"lsml:log:{job_id}"


def points(job_id: str) -> str:
    """Return the key of a job's metrics over time."""
    return f"lsml:points:{job_id}"


def of_job(job_id: str) -> tuple[str, ...]:
    """Return the keys of all that is kept of a job."""
    return job(job_id), log(job_id), points(job_id)
