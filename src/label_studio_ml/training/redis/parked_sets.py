"""An index of the projects with events that were set aside (parked): when, why, and how many.

The events themselves are in `parked:{project}`, one field each, with their payloads. This index is small, and quick to
read for thousands of projects.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from label_studio_ml.training.redis.keys import Keys
from label_studio_ml.training.redis.redis_errors import raises_broker_errors

#: Number of causes that are kept for each project, and of a project's events that are read to find them.
MAX_SETS, _READ_EVENTS = 20, 100


class ParkedSet(msgspec.Struct, frozen=True, kw_only=True):
    """Events of a project that were set aside together: the cause, the time (ISO 8601, UTC) and their number."""

    why: str
    since: str
    events: int


class ParkedProject(msgspec.Struct, frozen=True, kw_only=True):
    """A project with events that were set aside: their number now, and the causes, newest first."""

    project: str
    events: int
    sets: list[ParkedSet]


class _Event(msgspec.Struct, frozen=True):
    """What this module reads of a parked event."""

    why: str = ""
    since: str = ""


@raises_broker_errors
class ParkedSets:
    """The index of one queue. Every method raises BrokerError when Redis fails."""

    def __init__(self, connection: Any, keys: Keys) -> None:
        self._redis = connection
        self._keys = keys

    def add(self, project: str, parked: ParkedSet) -> None:
        """Add events that are being set aside. The caller must hold the project's lease."""
        stored = self._redis.hget(self._keys.parked_sets, project)
        self._write(project, [parked, *_sets(stored)][:MAX_SETS])

    def remove(self, project: str) -> None:
        """Remove a project from the index, unless events of it are set aside."""
        if self._redis.exists(self._keys.parked(project)):
            return
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.zrem(self._keys.parked_at, project)
            pipe.hdel(self._keys.parked_sets, project)
            pipe.execute()

    def count(self) -> int:
        """Return the number of projects with events that were set aside."""
        return int(self._redis.zcard(self._keys.parked_at))

    def numbers(self) -> dict[str, int]:
        """Return the number of events that were set aside, for each project that has some."""
        projects = [project.decode() for project in self._redis.zrange(self._keys.parked_at, 0, -1)]
        with self._redis.pipeline(transaction=False) as pipe:
            for project in projects:
                pipe.hlen(self._keys.parked(project))
            lengths = pipe.execute()
        return {project: length for project, length in zip(projects, lengths, strict=True) if length}

    def newest(self, offset: int, count: int) -> list[ParkedProject]:
        """Return up to `count` projects after the first `offset` ones, those with the newest parked events first.

        Projects whose parked events are gone are left out, and removed from the index.
        """
        listed = self._redis.zrevrange(self._keys.parked_at, offset, offset + count - 1)
        return self.of([project.decode() for project in listed])

    def of(self, projects: Sequence[str]) -> list[ParkedProject]:
        """Return those of the projects that have events that were set aside."""
        if not projects:
            return []
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.hmget(self._keys.parked_sets, projects)
            for project in projects:
                pipe.hlen(self._keys.parked(project))
            stored, *lengths = pipe.execute()
        found = []
        for project, sets, length in zip(projects, stored, lengths, strict=True):
            if length:
                found.append(ParkedProject(project=project, events=length, sets=_sets(sets)))
            elif sets is not None:
                self.remove(project)
        return found

    def build(self) -> None:
        """Add the projects that have parked events but no entry, because an older release has set them aside."""
        prefix = self._keys.parked("")
        for key in self._redis.scan_iter(self._keys.parked("*"), count=1000):
            project = key.decode().removeprefix(prefix)
            if not self._redis.hexists(self._keys.parked_sets, project):
                self._add_unlisted(project)

    def _add_unlisted(self, project: str) -> None:
        """Add a project with the causes of some of its parked events; the numbers of events are those found there."""
        _, events = self._redis.hscan(self._keys.parked(project), count=_READ_EVENTS)
        numbers: dict[tuple[str, str], int] = {}
        for body in events.values():
            event = msgspec.json.decode(body, type=_Event)
            numbers[event.since, event.why] = numbers.get((event.since, event.why), 0) + 1
        newest = sorted(numbers.items(), reverse=True)[:MAX_SETS]
        if newest:
            self._write(project, [ParkedSet(why=why, since=since, events=n) for (since, why), n in newest])

    def _write(self, project: str, sets: Sequence[ParkedSet]) -> None:
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.zadd(self._keys.parked_at, {project: _milliseconds(sets[0].since)})
            pipe.hset(self._keys.parked_sets, project, msgspec.json.encode(sets))
            pipe.execute()


def _sets(stored: bytes | None) -> list[ParkedSet]:
    return msgspec.json.decode(stored, type=list[ParkedSet]) if stored else []


def _milliseconds(time: str) -> int:
    """Return an ISO 8601 time in ms; 0 if the text is none."""
    try:
        return round(datetime.fromisoformat(time).timestamp() * 1000)
    except ValueError:
        return 0
