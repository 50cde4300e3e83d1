"""The protocol between a worker and the process of a tracker: one JSON object a line in each direction."""

from typing import Any, Literal

import msgspec

#: How a run ended: with a result, with an error, or because it was cancelled or its worker is gone.
Status = Literal["finished", "failed", "killed"]


class RunDescription(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it begins.

    `job` is the id of its job: a second try of the job continues the run in the tracker. `began` is when this try began
    (ISO 8601, UTC): of several tries, the latest one says how the run goes on. `name` is the run's name
    there. `params` and `tags` are texts by name. `experiment` is the setting TRACKER_EXPERIMENT; `log_dir` the
    backend's folder of logs, `tensorboard_dir` the folder of event files; `page` the address of the tracker's web page,
    if it is set.
    """

    job: str
    name: str
    began: str = ""
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    experiment: str = ""
    log_dir: str = ""
    tensorboard_dir: str = ""
    page: str = ""


class RunResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended.

    `message` is the error, or how a cancelled run ended. `version` is the new version's name, empty if there is none;
    `folder` the folder of its files, empty if they are not to be stored in the tracker, `max_bytes` the size up to
    which they are. `versions` are the names of the project's versions that exist, None if unknown. `metrics` are the
    version's metrics, `params` further parameters, such as the number of annotations.
    """

    status: Status
    message: str = ""
    version: str = ""
    folder: str = ""
    max_bytes: int = 0
    versions: list[str] | None = None
    metrics: dict[str, float | None] = {}
    params: dict[str, str] = {}


class TrackerMessage(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A line from the worker: the first one has `begin`, the last one `end`; others have a point or parameters."""

    begin: RunDescription | None = None
    point: dict[str, Any] | None = None
    params: dict[str, str] | None = None
    end: RunResult | None = None


class RunLink(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run is: the tracker's id of it, its URL (empty if there is none), and its folder or database."""

    run: str
    url: str = ""
    place: str = ""


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Why the tracker lacks something that the run has logged, and what to do; empty texts if it lacks nothing."""

    problem: str = ""
    fix: str = ""


class TrackerAnswer(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A line from the tracker's process.

    It has where the run is, a warning in one line, what is missing in the tracker from now on, or that nothing is left
    to deliver.
    """

    link: RunLink | None = None
    warning: str = ""
    gap: Gap | None = None
    done: bool = False
