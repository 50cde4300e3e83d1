"""The record of a training job, as Redis has it and as this package passes it on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import msgspec

JobState = Literal["queued", "started", "finished", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Job:
    """One training job's record. Times are ISO 8601 in UTC, empty where not reached yet.

    `message` is what a run said last; that of a job that is queued says what it waits for, if for more than a worker.
    `held_back` says why the version that it made is not served, where that is so; `comparison` what that version and
    the one before were compared by, if by anything.
    `progress` is from 0 to 1, -1 before the run has said anything; `metrics` are the latest. `cancel` is the time at
    which somebody asked for the job's end, `ending` says how a run ended that was not let run. `upto` is the id of the
    last event that the job is about. `model_class` is the class that it is for, empty where that was not said.
    `asked_by` is who asked for the training, or who sent the first of its events with a login: `token NAME`,
    `user NAME`, or our own command; empty where nobody gave a login.
    """

    id: str
    project: str
    state: JobState
    created: str = ""
    started: str = ""
    ended: str = ""
    version: str = ""
    error: str = ""
    source: str = ""
    annotations: int = -1
    events: int = 0
    held_back: str = ""
    comparison: str = ""
    progress: float = -1.0
    message: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)
    cancel: str = ""
    ending: str = ""
    upto: str = ""
    model_class: str = ""
    asked_by: str = ""

    @property
    def running(self) -> bool:
        """Whether the job is waiting or running."""
        return self.state in ("queued", "started")

    @property
    def postponed(self) -> bool:
        """Whether the job waits for more than a free worker."""
        return self.state == "queued" and bool(self.message)


def read_job(job_id: str, fields: Mapping[bytes, bytes]) -> Job:
    """Return the record of the job `job_id` from the fields of its hash in Redis."""
    texts = {name.decode(): value.decode() for name, value in fields.items()}
    return Job(
        id=job_id,
        project=texts.get("project", ""),
        state=cast("JobState", texts.get("state", "queued")),
        created=texts.get("created", ""),
        started=texts.get("started", ""),
        ended=texts.get("ended", ""),
        version=texts.get("version", ""),
        error=texts.get("error", ""),
        source=texts.get("source", ""),
        annotations=int(texts.get("annotations", -1)),
        events=int(texts.get("events", 0)),
        held_back=texts.get("held_back", ""),
        comparison=texts.get("comparison", ""),
        progress=float(texts.get("progress", -1)),
        message=texts.get("message", ""),
        metrics=msgspec.json.decode(texts.get("metrics", "{}")),
        cancel=texts.get("cancel", ""),
        ending=texts.get("ending", ""),
        upto=texts.get("upto", ""),
        model_class=texts.get("class", ""),
        asked_by=texts.get("asked_by", ""),
    )
