"""Parts of a project that are predicted by themselves, as jobs of RQ."""

import contextlib
from collections.abc import Sequence
from typing import Any

import msgspec

from label_studio_ml.projects import filters
from label_studio_ml.projects.api import ProjectApi
from label_studio_ml.projects.filters import Filter
from label_studio_ml.projects.pipeline import Progress

#: The function that RQ calls in a worker.
FUNCTION = "label_studio_ml.projects.beside.shard"
#: How often a shard is begun again whose worker was killed.
MAX_STARTS = 10


class Shard(msgspec.Struct, frozen=True):
    """The tasks of a project with an id above `after` and not above `upto` (None: any) that meet the conditions.

    They are predicted with the version `version`, `version_id` is its id, empty for a model without training. `tasks`
    is about how many they are. This is all that a job says: where Label Studio is and whose token is used is the
    worker's business. `backend` is the id of the backend that it is for, empty where the broker is its own, and
    `model_class` its class.
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
    def alone_in(cls, args: list[Any]) -> bool:
        """Tell whether a job's arguments are one shard."""
        try:
            (fields,) = args
            msgspec.convert(fields, cls)
        except (ValueError, msgspec.ValidationError):
            return False
        return True

    @property
    def span(self) -> list[Filter]:
        """The ids, as conditions."""
        return [filters.above(self.after), *([filters.upto(self.upto)] if self.upto is not None else [])]


class Run(msgspec.Struct, frozen=True):
    """A project's run in shards, as Redis remembers it."""

    id: str
    shards: list[Shard]

    @property
    def version(self) -> str:
        """The name of the version that predicts."""
        return self.shards[0].version

    @property
    def jobs(self) -> list[str]:
        """The ids of RQ's jobs, in the order of the shards."""
        return [f"predict-{self.id}-{shard.number}" for shard in self.shards]

    def same(self, shard: Shard) -> bool:
        """Tell whether this run does what a run with this shard would."""
        mine = self.shards[0]
        return (mine.uid, mine.version, mine.conditions) == (shard.uid, shard.version, shard.conditions)


class Told(msgspec.Struct):
    """What a shard says of itself, in its job: how many tasks it has in all, and what came of them."""

    total: int = 0
    written: int = 0
    failed: int = 0
    removed: int = 0
    causes: dict[str, int] = {}
    error: str = ""

    @classmethod
    def of(cls, meta: dict[str, Any]) -> "Told | None":
        """Return what the job's meta data hold, None if it has said nothing yet, or nothing that can be read."""
        with contextlib.suppress(msgspec.ValidationError):
            return msgspec.convert(meta["told"], cls) if "told" in meta else None
        return None

    def update(self, progress: Progress) -> None:
        """Take over how far a run is; what an earlier run of the shard has stored counts as well."""
        if progress.total is not None:
            self.total = max(self.total, progress.total)
            before = self.total - progress.total
            self.written, self.failed = before + progress.written, progress.failed
            self.causes = progress.causes


def split(api: ProjectApi, whole: Shard, conditions: Sequence[Filter], tasks: int, count: int) -> list[Shard]:
    """Return at most `count` shards of about as many of the `tasks` that meet the conditions each.

    Every id lies in exactly one of them, also one of a task that comes later.
    """
    count = max(1, min(count, tasks))
    ends: list[int | None] = []
    places = [0]
    for number in range(1, count):
        place = number * tasks // count
        end = api.nth(conditions, place)
        if end is not None and end > max([0, *(one for one in ends if one is not None)]):
            ends.append(end)
            places.append(place)
    ends.append(None)
    places.append(tasks)
    after = 0
    found: list[Shard] = []
    for number, end in enumerate(ends):
        size = places[number + 1] - places[number]
        found.append(msgspec.structs.replace(whole, number=number, after=after, upto=end, tasks=size))
        after = end or after
    return found
