"""The queued events of each project (its event queue), and the events set aside, in Redis.

A stream holds order, action and number of annotations of the events; a separate hash holds their payloads, so that an
event queue of 100,000 events is listed quickly.
"""

import secrets
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from label_studio_ml.training.policy import Entry, order
from label_studio_ml.training.redis.keys import Keys
from label_studio_ml.training.redis.parked_sets import ParkedSet, ParkedSets
from label_studio_ml.training.redis.redis_errors import raises_broker_errors
from label_studio_ml.training.redis.scripts import BEGIN_RUN, REMOVE_EVENTS

#: Numbers of stream entries, and of payloads, that are read at a time.
ENTRIES_PER_READ = 1000
PAYLOADS_PER_READ = 100


def new_token() -> str:
    """Return a random token that makes repeated attempts to store one event, or to begin one run, idempotent."""
    return secrets.token_hex(16)


class StoredEvent(msgspec.Struct, frozen=True):
    """One event in an event queue.

    `trusted` is false for an event without the login that the backend requires, and for one that was too large to keep
    whole: its `data` then holds ids only. `caller` names the sender by its login, empty if it gave none.
    """

    action: str
    data: dict[str, Any]
    trusted: bool = True
    id: str = ""
    caller: str = ""


class ParkedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event that was set aside, with the cause `why` and the time `since` (ISO 8601, UTC)."""

    event: StoredEvent
    why: str
    since: str


@raises_broker_errors
class EventQueues:
    """The event queues of all projects. Every method raises BrokerError when Redis fails.

    `JobStore.record` stores events, because each event belongs to a job. `parked_sets` lists the projects with events
    that were set aside.
    """

    def __init__(self, connection: Any, keys: Keys) -> None:
        self._redis = connection
        self._keys = keys
        self.parked_sets = ParkedSets(connection, keys)

    def entries(self, project: str) -> list[Entry]:
        """Return the entries of the queued events, without payloads, oldest first."""
        key, start, entries = self._keys.mailbox(project), "-", list[Entry]()
        while True:
            page = self._redis.xrange(key, min=start, count=ENTRIES_PER_READ)
            entries += [
                Entry(
                    entry_id.decode(),
                    fields[b"action"].decode(),
                    int(fields[b"annotations"]),
                    fields.get(b"caller", b"").decode(),
                )
                for entry_id, fields in page
            ]
            if len(page) < ENTRIES_PER_READ:
                return entries
            start = f"({entries[-1].id}"

    def payloads(self, project: str, ids: Iterable[str]) -> Iterator[StoredEvent]:
        """Yield the events with these ids in order, PAYLOADS_PER_READ per call. Missing events are left out."""
        event_ids = list(ids)
        for start in range(0, len(event_ids), PAYLOADS_PER_READ):
            page = event_ids[start : start + PAYLOADS_PER_READ]
            bodies = self._redis.hmget(self._keys.payloads(project), page)
            for event_id, body in zip(page, bodies, strict=True):
                if body is not None:
                    event = msgspec.json.decode(body, type=StoredEvent)
                    yield msgspec.structs.replace(event, id=event_id)

    def events(self, project: str) -> list[StoredEvent]:
        """Return the queued events with their payloads, oldest first."""
        return list(self.payloads(project, [entry.id for entry in self.entries(project)]))

    def begin(self, project: str) -> int:
        """Count a run that has read the event queue; return how many have begun since the last one with an outcome.

        Later events are not folded into the events that are queued now. redis-py may send the script twice: the token
        lets it count once.
        """
        keys = (self._keys.untrusted(project), self._keys.folds(project), self._keys.attempts(project))
        return int(self._redis.eval(BEGIN_RUN, len(keys), *keys, new_token()))

    def undo_begin(self, project: str) -> None:
        """Do not count the run that `begin` has counted last."""
        self._redis.hincrby(self._keys.attempts(project), "starts", -1)

    def reset_begins(self, project: str) -> None:
        """Count runs from 0 again."""
        self._redis.hdel(self._keys.attempts(project), "starts", "begun")

    def acknowledge(self, project: str, event_ids: list[str]) -> None:
        """Remove events that a run has processed; the project is no longer dirty if none are left."""
        with self._redis.pipeline(transaction=True) as pipe:
            self.remove_in(pipe, project, event_ids)
            pipe.execute()

    def remove_in(self, pipe: Any, project: str, event_ids: list[str]) -> None:
        """Add the commands that remove events to the pipeline `pipe`."""
        mailbox, payloads = self._keys.mailbox(project), self._keys.payloads(project)
        keys = (mailbox, payloads, self._keys.dirty, self._keys.untrusted(project), self._keys.folds(project))
        for start in range(0, max(len(event_ids), 1), ENTRIES_PER_READ):
            pipe.eval(REMOVE_EVENTS, len(keys), *keys, project, *event_ids[start : start + ENTRIES_PER_READ])

    def dirty(self) -> list[str]:
        """Return the uids of the projects with queued events, sorted."""
        return sorted(project.decode() for project in self._redis.smembers(self._keys.dirty))

    def clock(self) -> int:
        """Return the broker's time in ms. The ids of events are made from the same clock."""
        seconds, micros = self._redis.time()
        return int(seconds * 1000 + micros // 1000)

    def park(self, project: str, event_ids: list[str], *, why: str, since: str) -> None:
        """Move events from the event queue to the events set aside, with the cause, until `JobStore.unpark`."""
        if event_ids:
            self.parked_sets.add(project, ParkedSet(why=why, since=since, events=len(event_ids)))
        for start in range(0, len(event_ids), PAYLOADS_PER_READ):
            page = event_ids[start : start + PAYLOADS_PER_READ]
            with self._redis.pipeline(transaction=True) as pipe:
                for event in self.payloads(project, page):
                    body = msgspec.json.encode(ParkedEvent(event=event, why=why, since=since))
                    pipe.hset(self._keys.parked(project), event.id, body)
                self.remove_in(pipe, project, page)
                pipe.execute()

    def parked(self, project: str) -> Iterator[ParkedEvent]:
        """Yield the events that were set aside, in the order of their arrival."""
        key = self._keys.parked(project)
        ids = sorted((field.decode() for field in self._redis.hkeys(key)), key=order)
        for start in range(0, len(ids), PAYLOADS_PER_READ):
            bodies = self._redis.hmget(key, ids[start : start + PAYLOADS_PER_READ])
            yield from (msgspec.json.decode(body, type=ParkedEvent) for body in bodies if body is not None)

    def drop_parked(self, project: str, event_id: str) -> None:
        """Remove an event that was set aside."""
        self._redis.hdel(self._keys.parked(project), event_id)
