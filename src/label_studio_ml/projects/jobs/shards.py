"""Shards of a project: ranges of task ids that workers predict as RQ jobs."""

import contextlib
from collections.abc import Sequence
from typing import Any

import msgspec
import redis

from label_studio_ml.projects.pipeline import Progress
from label_studio_ml.projects.project_api import ProjectApi
from label_studio_ml.studio.resources import task_filters
from label_studio_ml.studio.resources.task_filters import Filter

#: The name by which a job asks for the prediction of a shard. Jobs in Redis hold it, so it stays
#: the same in all releases; it is no import path.
FUNCTION = "label_studio_ml.projects.beside.shard"
#: The entry with the progress in a job's metadata; other releases read it.
_META = "told"
#: Number of restarts of a shard whose worker was killed.
MAX_STARTS = 10


class Shard(msgspec.Struct, frozen=True):
    """The tasks that meet `conditions` and have an id above `after` and at most `upto` (None: no limit).

    `version` and `version_id` name the version that predicts them; the id is empty for an untrained model. `tasks` is
    their approximate number. `backend` and `model_class` are the id and class of the backend that the shard is for;
    the id is empty where the broker belongs to that backend alone. The address and token of Label Studio are not part
    of it: they come from the worker's settings.
    """

    number: int
    project: int
    uid: str
    version: str
    version_id: str
    after: int
    upto: int | None
    tasks: int
    conditions: list[Filter] = []
    backend: str = ""
    model_class: str = ""

    @classmethod
    def is_only_argument(cls, args: list[Any]) -> bool:
        """Return whether a job's arguments are exactly one shard."""
        try:
            (fields,) = args
            msgspec.convert(fields, cls)
        except (ValueError, msgspec.ValidationError):
            return False
        return True

    @property
    def span(self) -> list[Filter]:
        """The range of ids, as conditions."""
        return [
            task_filters.above(self.after),
            *([task_filters.upto(self.upto)] if self.upto is not None else []),
        ]


class Run(msgspec.Struct, frozen=True):
    """One run of a project in shards, as it is stored in Redis."""

    id: str
    shards: list[Shard]

    @property
    def version(self) -> str:
        """The name of the version that predicts."""
        return self.shards[0].version

    @property
    def jobs(self) -> list[str]:
        """The ids of the RQ jobs, in the order of the shards."""
        return [f"predict-{self.id}-{shard.number}" for shard in self.shards]

    def same(self, shard: Shard) -> bool:
        """Return whether this run has the project, version and conditions of `shard`."""
        first = self.shards[0]
        return (first.uid, first.version, first.conditions) == (shard.uid, shard.version, shard.conditions)


class ShardProgress(msgspec.Struct):
    """Progress of a shard, kept in the meta data of its job: the number of its tasks and their outcomes."""

    total: int = 0
    written: int = 0
    failed: int = 0
    removed: int = 0
    causes: dict[str, int] = {}
    error: str = ""

    @classmethod
    def of(cls, meta: dict[str, Any]) -> "ShardProgress | None":
        """Return the progress in a job's meta data, None if there is none yet or it cannot be read."""
        with contextlib.suppress(msgspec.ValidationError):
            return msgspec.convert(meta[_META], cls) if _META in meta else None
        return None

    def save(self, job: Any) -> None:
        """Store the progress in the metadata of its job. Best effort: errors of Redis are ignored."""
        with contextlib.suppress(redis.RedisError):
            job.meta[_META] = msgspec.to_builtins(self)
            job.save_meta()

    def update(self, progress: Progress) -> None:
        """Take over the progress of the current run; tasks that earlier runs of the shard stored count as written."""
        if progress.total is not None:
            self.total = max(self.total, progress.total)
            earlier_tasks = self.total - progress.total
            self.written, self.failed = earlier_tasks + progress.written, progress.failed
            self.causes = progress.causes


def split(
    api: ProjectApi, all_tasks: Shard, conditions: Sequence[Filter], tasks: int, count: int
) -> list[Shard]:
    """Split the `tasks` tasks that meet `conditions` into at most `count` shards of about equal size.

    Every id lies in exactly one shard; the last one has no upper limit, so tasks that are created later belong to it.
    """
    count = max(1, min(count, tasks))
    ends: list[int | None] = []
    boundaries = [0]
    for number in range(1, count):
        boundary = number * tasks // count
        end = api.nth(conditions, boundary)
        if end is not None and end > max([0, *(earlier for earlier in ends if earlier is not None)]):
            ends.append(end)
            boundaries.append(boundary)
    ends.append(None)
    boundaries.append(tasks)
    after = 0
    shards: list[Shard] = []
    for number, end in enumerate(ends):
        size = boundaries[number + 1] - boundaries[number]
        shards.append(msgspec.structs.replace(all_tasks, number=number, after=after, upto=end, tasks=size))
        after = end or after
    return shards
