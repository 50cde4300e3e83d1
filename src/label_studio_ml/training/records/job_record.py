"""The record of a training job, and its conversion from the hash in Redis."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import msgspec

JobState = Literal["queued", "started", "finished", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Job:
    """One training job's record. Times are ISO 8601 in UTC, empty if not reached yet.

    `message` is the run's last message; for a queued job, the condition that it waits for besides a free worker.
    `version` is the new version's name, `held_back` why it is not served (empty if it is), `comparison` the result of
    its comparison with the previous version. `source` says where the `annotations` (number of labelled tasks, -1 if
    unknown) were read from. `progress` is from 0 to 1, -1 before the first report; `metrics` are the latest values.
    `cancel` is the time of the cancellation request, `ending` describes how a stopped run ended. `upto` is the id of
    the job's last event, set by a cancellation. `model_class` is the class to train, empty if not recorded.
    `asked_by` names the sender of the training request, or else of the job's first event with a login: `token NAME`,
    `user NAME`, or this package's own command; empty if no event had a login.
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
        """Whether the job is queued or started, so not ended."""
        return self.state in ("queued", "started")

    @property
    def postponed(self) -> bool:
        """Whether the job waits for another condition than a free worker."""
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
