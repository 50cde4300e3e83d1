"""What a training that has not begun waits for, and what a person can do about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from label_studio_ml.support.texts import our_command, plural, whole_number
from label_studio_ml.training.overview.failure_advice import advice_for
from label_studio_ml.training.records.job_record import Job

WaitKind = Literal[
    "cancelling", "annotations", "quiet", "button", "retry", "class", "worker", "project", "turn", "starting"
]


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers of the queue: how many are alive, and the jobs that they train now as `(job, project)`."""

    alive: int
    training: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """What a job waits for: `text` for people, `fix` what they can do if it lasts too long (empty if nothing).

    `until` is the time of the next check (ISO 8601, UTC), empty if none is planned; `need` the number of annotations
    or labelled tasks that are missing, None if it does not wait for any.
    """

    kind: WaitKind
    text: str
    fix: str = ""
    until: str = ""
    need: int | None = None


def wait_of(job: Job, hold: Mapping[bytes, bytes], *, leased: bool, workers: Workers, folder: str) -> Wait:
    """Return what the queued `job` waits for. `hold` is the postponement of its project as stored, empty for none.

    `leased` tells whether a worker holds the project; `folder` is the backend's folder, for commands.
    """
    worker = our_command("worker", folder)
    if job.cancel:
        return Wait("cancelling", "is being cancelled: a worker closes it")
    if hold:
        return _postponed(hold, job, folder)
    if job.message:
        return Wait(
            "class", job.message, "Start a worker for the class, or give each backend another RQ_QUEUE_NAME"
        )
    if leased:
        first = next((other for other, project in workers.training if project == job.project), "")
        text = f"waits for the project's running training {first}".rstrip()
        return Wait("project", text, "It begins when that one has ended")
    if not workers.alive:
        return Wait(
            "worker", "waits for a worker: none is alive", f"Start the backend, or a worker: {worker}"
        )
    if len(workers.training) >= workers.alive:
        running = plural(len(workers.training), "training")
        return Wait(
            "turn", f"waits for its turn: all workers are busy ({running})", f"Start more workers: {worker}"
        )
    return Wait("starting", "begins when a worker takes it, in a moment")


def _postponed(hold: Mapping[bytes, bytes], job: Job, folder: str) -> Wait:
    """Return the wait of a job whose project's next run is postponed."""
    fields = {name.decode(): value.decode(errors="replace") for name, value in hold.items()}
    text = fields.get("text", "").replace("{have}", fields.get("have", "0")) or job.message
    until = _time(fields.get("at", ""))
    if need := fields.get("need"):
        setting = "TRAIN_EVERY" if "train_every" in text else "MIN_ANNOTATIONS"
        fix = f"Annotate more, press Train now, or lower {setting}"
        return Wait("annotations", text, fix, until, whole_number(need))
    if "(quiet_period)" in text:
        return Wait("quiet", text, "Press Train now to begin at once, or lower QUIET_PERIOD", until)
    if not until:
        return Wait("button", text, "Press Train now, or the button Start Training in Label Studio")
    advice = advice_for(text, folder)
    return Wait("retry", f"is tried again after a failure: {text}", advice.fix if advice else "", until)


def _time(milliseconds: str) -> str:
    """Return a time in ms as ISO 8601 in UTC, empty if there is none or it is no time."""
    try:
        return datetime.fromtimestamp(int(milliseconds) / 1000, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return ""
