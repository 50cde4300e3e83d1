"""The queued events of each project (its event queue), the events set aside, and the delivered annotations, in Redis.

A stream holds order, action and number of annotations of the events; a separate hash holds their payloads, so that a
event queue of 100,000 events is listed quickly.
"""

import contextlib
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

import msgspec
import redis

from label_studio_ml.protocol.webhook_payload import grouped
from label_studio_ml.training.policy import Entry
from label_studio_ml.training.redis.keys import Keys
from label_studio_ml.training.redis.redis_errors import explain
from label_studio_ml.training.redis.scripts import BEGIN, REMOVE
from label_studio_ml.versions.state.project_state import Project

#: Numbers of stream entries, and of payloads, that are read at a time.
PAGE = 1000
BODIES = 100


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


class EventQueues:
    """The event queues of all projects on one queue. Every method raises BrokerError when Redis fails."""

    def __init__(self, connection: Any, queue: str) -> None:
        self.redis = connection
        self.keys = Keys(queue)

    # Queued events

    def entries(self, project: str) -> list[Entry]:
        """Return the entries of the queued events, without payloads, oldest first."""
        key, start, found = self.keys.mailbox(project), "-", list[Entry]()
        while True:
            with broker_errors():
                page = self.redis.xrange(key, min=start, count=PAGE)
            found += [
                Entry(
                    entry.decode(),
                    fields[b"action"].decode(),
                    int(fields[b"annotations"]),
                    fields.get(b"caller", b"").decode(),
                )
                for entry, fields in page
            ]
            if len(page) < PAGE:
                return found
            start = f"({found[-1].id}"

    def payloads(self, project: str, ids: Iterable[str]) -> Iterator[StoredEvent]:
        """Yield the events with these ids in their order, reading BODIES at a time. Missing events are left out."""
        wanted = list(ids)
        for start in range(0, len(wanted), BODIES):
            page = wanted[start : start + BODIES]
            with broker_errors():
                bodies = self.redis.hmget(self.keys.payloads(project), page)
            for event_id, body in zip(page, bodies, strict=True):
                if body is not None:
                    event = msgspec.json.decode(body, type=StoredEvent)
                    yield msgspec.structs.replace(event, id=event_id)

    def events(self, project: str) -> list[StoredEvent]:
        """Return the queued events with their payloads, oldest first."""
        return list(self.payloads(project, [entry.id for entry in self.entries(project)]))

    def acknowledge(self, project: str, event_ids: list[str]) -> None:
        """Remove events that a run has processed; the project is no longer dirty if none are left."""
        with broker_errors(), self.redis.pipeline(transaction=True) as pipe:
            self._remove(pipe, project, event_ids)
            pipe.execute()

    def _remove(self, pipe: Any, project: str, event_ids: list[str]) -> None:
        mailbox, payloads = self.keys.mailbox(project), self.keys.payloads(project)
        keys = (mailbox, payloads, self.keys.dirty, self.keys.untrusted(project), self.keys.folds(project))
        for start in range(0, max(len(event_ids), 1), PAGE):
            pipe.eval(REMOVE, len(keys), *keys, project, *event_ids[start : start + PAGE])

    def begin(self, project: str) -> int:
        """Count a run that has read the event queue; return how many have begun since the last one with an outcome.

        Later events are not folded into the events that are queued now.
        """
        keys = (self.keys.untrusted(project), self.keys.folds(project), self.keys.attempts(project))
        with broker_errors():
            return int(self.redis.eval(BEGIN, len(keys), *keys))

    def dirty(self) -> list[str]:
        """Return the uids of the projects with queued events, sorted."""
        with broker_errors():
            return sorted(project.decode() for project in self.redis.smembers(self.keys.dirty))

    def clock(self) -> int:
        """Return the broker's time in ms. The ids of events are made from the same clock."""
        with broker_errors():
            seconds, micros = self.redis.time()
        return int(seconds * 1000 + micros // 1000)

    # Descriptions of projects, for workers on other machines

    def describe(self, project: Project, *, setup: bool = False) -> None:
        """Store a server's description of a project, its access token included.

        With `setup`, the description comes from a `/setup` request and replaces the stored one. Otherwise, Label
        Studio's address, access token and extra params are kept from a stored description that has an access token.
        """
        known = None if setup else self.described(project.uid)
        if known is not None and known.access_token:
            project = msgspec.structs.replace(
                project,
                hostname=known.hostname,
                access_token=known.access_token,
                extra_params=known.extra_params,
                private=known.private,
            )
        with broker_errors():
            self.redis.set(self.keys.project(project.uid), msgspec.json.encode(project))

    def described(self, uid: str) -> Project | None:
        """Return the description of a project that servers have stored, None if there is none."""
        with broker_errors():
            text = self.redis.get(self.keys.project(uid))
        return None if text is None else msgspec.json.decode(text, type=Project)

    # Events set aside

    def park(self, project: str, event_ids: list[str], *, why: str, since: str) -> None:
        """Move events from the event queue to the events set aside, with the cause, until `unpark`."""
        for start in range(0, len(event_ids), BODIES):
            page = event_ids[start : start + BODIES]
            with broker_errors(), self.redis.pipeline(transaction=True) as pipe:
                for event in self.payloads(project, page):
                    body = msgspec.json.encode(ParkedEvent(event=event, why=why, since=since))
                    pipe.hset(self.keys.parked(project), event.id, body)
                self._remove(pipe, project, page)
                pipe.execute()

    def parked(self, project: str) -> Iterator[ParkedEvent]:
        """Yield the events that were set aside, in the order of their arrival."""
        with broker_errors():
            ids = [field.decode() for field in self.redis.hkeys(self.keys.parked(project))]
        ids.sort(key=lambda one: [int(part) for part in one.split("-")])
        for start in range(0, len(ids), BODIES):
            with broker_errors():
                bodies = self.redis.hmget(self.keys.parked(project), ids[start : start + BODIES])
            yield from (msgspec.json.decode(body, type=ParkedEvent) for body in bodies if body is not None)

    # Delivered annotations

    def deliver(self, project: str, pairs: Iterable[tuple[dict[str, Any], dict[str, Any]]]) -> None:
        """Store (task, annotation) pairs that a webhook delivered; a skipped annotation removes its stored pair."""
        with broker_errors(), self.redis.pipeline(transaction=True) as pipe:
            for task, annotation in pairs:
                field = f"{task.get('id')}:{annotation.get('id')}"
                if annotation.get("was_cancelled"):
                    pipe.hdel(self.keys.delivered(project), field)
                else:
                    body = msgspec.json.encode({"task": task, "annotation": annotation})
                    pipe.hset(self.keys.delivered(project), field, body)
            pipe.execute()

    def undeliver(
        self, project: str, *, tasks: Iterable[object] = (), annotations: Iterable[object] = ()
    ) -> None:
        """Remove the delivered annotations with these task ids or annotation ids."""
        gone_tasks, gone = {str(task) for task in tasks}, {str(one) for one in annotations}
        key = self.keys.delivered(project)
        with broker_errors():
            fields = [
                field
                for field in self.redis.hkeys(key)
                if field.decode().partition(":")[0] in gone_tasks or field.decode().partition(":")[2] in gone
            ]
            for start in range(0, len(fields), PAGE):
                self.redis.hdel(key, *fields[start : start + PAGE])

    def delivered(self, project: str) -> Iterator[dict[str, Any]]:
        """Yield the tasks that webhooks delivered, each with its annotations, ordered by task id, read in parts."""
        with broker_errors():
            fields = [field.decode() for field in self.redis.hkeys(self.keys.delivered(project))]
        fields.sort(key=lambda field: [(len(part), part) for part in field.split(":")])  # numeric order
        for _, of_task in groupby(self._bodies(project, fields), key=lambda pair: pair["task"].get("id")):
            yield from grouped((pair["task"], pair["annotation"]) for pair in of_task).values()

    def _bodies(self, project: str, fields: list[str]) -> Iterator[dict[str, Any]]:
        for start in range(0, len(fields), BODIES):
            with broker_errors():
                bodies = self.redis.hmget(self.keys.delivered(project), fields[start : start + BODIES])
            yield from (msgspec.json.decode(body) for body in bodies if body is not None)


@contextlib.contextmanager
def broker_errors() -> Iterator[None]:
    """Convert Redis errors in the block to BrokerError."""
    try:
        yield
    except redis.RedisError as error:
        raise explain(error) from error
