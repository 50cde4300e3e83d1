"""The events of each project that wait for a training, those set aside, and the annotations that came with them.

A stream says in which order events came and what they were; what they hold is a hash beside it, so that a mailbox of
100,000 events is read in a moment.
"""

import contextlib
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

import msgspec
import redis

from label_studio_ml.training.events import grouped
from label_studio_ml.training.keys import Keys
from label_studio_ml.training.policy import Entry
from label_studio_ml.training.refusals import explain
from label_studio_ml.training.scripts import BEGIN, REMOVE
from label_studio_ml.versions.state import Project

#: Entries of a stream, and fields of a hash that hold whole events, that are read at a time.
PAGE = 1000
BODIES = 100


class StoredEvent(msgspec.Struct, frozen=True):
    """One event in a mailbox.

    `trusted` is false for an event that came without the login that the backend asks for: its `data` then
    holds ids only. `caller` is who sent it, by the login: empty where none was given.
    """

    action: str
    data: dict[str, Any]
    trusted: bool = True
    id: str = ""
    caller: str = ""


class ParkedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event that was set aside: `why`, and `since` when (ISO 8601, UTC)."""

    event: StoredEvent
    why: str
    since: str


class Mailboxes:
    """The mailboxes of all projects on one queue. Every method raises BrokerError when Redis cannot be had."""

    def __init__(self, connection: Any, queue: str) -> None:
        self.redis = connection
        self.keys = Keys(queue)

    # Events that wait

    def entries(self, project: str) -> list[Entry]:
        """Return what waits, oldest first."""
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
        """Yield the events with these ids in their order, some at a time."""
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
        """Return the events that wait, oldest first, whole."""
        return list(self.payloads(project, [entry.id for entry in self.entries(project)]))

    def acknowledge(self, project: str, event_ids: list[str]) -> None:
        """Remove events that a run has taken in; the project is clean if none are left."""
        with broker_errors(), self.redis.pipeline(transaction=True) as pipe:
            self._remove(pipe, project, event_ids)
            pipe.execute()

    def _remove(self, pipe: Any, project: str, event_ids: list[str]) -> None:
        mailbox, payloads = self.keys.mailbox(project), self.keys.payloads(project)
        keys = (mailbox, payloads, self.keys.dirty, self.keys.untrusted(project), self.keys.folds(project))
        for start in range(0, max(len(event_ids), 1), PAGE):
            pipe.eval(REMOVE, len(keys), *keys, project, *event_ids[start : start + PAGE])

    def begin(self, project: str) -> int:
        """Count a run that has read the mailbox; return how many have since one had an outcome.

        No event that comes from now on is folded into one that waits.
        """
        keys = (self.keys.untrusted(project), self.keys.folds(project), self.keys.attempts(project))
        with broker_errors():
            return int(self.redis.eval(BEGIN, len(keys), *keys))

    def dirty(self) -> list[str]:
        """Return the projects with events that wait."""
        with broker_errors():
            return sorted(project.decode() for project in self.redis.smembers(self.keys.dirty))

    def clock(self) -> int:
        """Return the broker's time in ms, which the ids of events are made of."""
        with broker_errors():
            seconds, micros = self.redis.time()
        return int(seconds * 1000 + micros // 1000)

    # Projects, for workers on other machines

    def describe(self, project: Project, *, setup: bool = False) -> None:
        """Keep what a server knows of a project, its access token included.

        Where and with which token Label Studio is read is taken from a server that was just told by `/setup`, else
        only where no other server was.
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
        """Return what servers know of a project, None if none of them said."""
        with broker_errors():
            text = self.redis.get(self.keys.project(uid))
        return None if text is None else msgspec.json.decode(text, type=Project)

    # Events set aside

    def park(self, project: str, event_ids: list[str], *, why: str, since: str) -> None:
        """Set events aside, with the cause, until `unpark`."""
        for start in range(0, len(event_ids), BODIES):
            page = event_ids[start : start + BODIES]
            with broker_errors(), self.redis.pipeline(transaction=True) as pipe:
                for event in self.payloads(project, page):
                    body = msgspec.json.encode(ParkedEvent(event=event, why=why, since=since))
                    pipe.hset(self.keys.parked(project), event.id, body)
                self._remove(pipe, project, page)
                pipe.execute()

    def parked(self, project: str) -> Iterator[ParkedEvent]:
        """Yield the events that were set aside, in the order in which they came."""
        with broker_errors():
            ids = [field.decode() for field in self.redis.hkeys(self.keys.parked(project))]
        ids.sort(key=lambda one: [int(part) for part in one.split("-")])
        for start in range(0, len(ids), BODIES):
            with broker_errors():
                bodies = self.redis.hmget(self.keys.parked(project), ids[start : start + BODIES])
            yield from (msgspec.json.decode(body, type=ParkedEvent) for body in bodies if body is not None)

    # Annotations that came with events

    def deliver(self, project: str, pairs: Iterable[tuple[dict[str, Any], dict[str, Any]]]) -> None:
        """Keep labelled tasks that a webhook brought: (task, annotation) pairs; a skipped annotation is dropped."""
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
        """Drop the delivered annotations with these task ids or annotation ids."""
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
        """Yield the tasks that webhooks delivered, each with its annotations, by task id; some at a time are read."""
        with broker_errors():
            fields = [field.decode() for field in self.redis.hkeys(self.keys.delivered(project))]
        fields.sort(key=lambda field: [(len(part), part) for part in field.split(":")])  # ids are numbers
        for _, of_task in groupby(self._bodies(project, fields), key=lambda pair: pair["task"].get("id")):
            yield from grouped((pair["task"], pair["annotation"]) for pair in of_task).values()

    def _bodies(self, project: str, fields: list[str]) -> Iterator[dict[str, Any]]:
        for start in range(0, len(fields), BODIES):
            with broker_errors():
                bodies = self.redis.hmget(self.keys.delivered(project), fields[start : start + BODIES])
            yield from (msgspec.json.decode(body) for body in bodies if body is not None)


@contextlib.contextmanager
def broker_errors() -> Iterator[None]:
    """Turn Redis's errors into BrokerError."""
    try:
        yield
    except redis.RedisError as error:
        raise explain(error) from error
