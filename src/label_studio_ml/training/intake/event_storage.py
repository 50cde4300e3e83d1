"""Store an event that a server has received in Redis, with what later runs need of it."""

import logging
import math
import time

import msgspec

from label_studio_ml.errors import BackendError, BodyTooLarge, BrokerError
from label_studio_ml.protocol.requests import Event
from label_studio_ml.protocol.webhook_actions import START_TRAINING
from label_studio_ml.protocol.webhook_payload import labelled, removed
from label_studio_ml.training.intake.spool_capacity import Spooled
from label_studio_ml.training.records.event_queue import StoredEvent, new_token
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.records.untrusted_events import ids_only
from label_studio_ml.versions.state.project_state import Project, Projects

logger = logging.getLogger(__name__)

#: Total time in seconds that a webhook waits for Redis, including the broker's start and the connection.
BUDGET = 0.2
#: Size in bytes up to which events are stored whole. Larger ones are stored as ids; the rest is read from Label Studio.
MAX_WHOLE_EVENT = 64 << 20


def storable(event: Event, *, trusted: bool, train: bool) -> Spooled | None:
    """Return the part of an event to store, None if it starts no training and changes no delivered annotations.

    The label config and title are removed: only the receiving server uses them. Without login, only the ids are left.
    Raises BodyTooLarge for a training request with more tasks than can be stored.
    """
    data = event.data
    if not trusted:
        if not train:
            return None
        data = ids_only(event)
    elif event.action == START_TRAINING and event.size > MAX_WHOLE_EVENT:
        raise BodyTooLarge(
            f"The training request has {event.size >> 20} MiB; at most {MAX_WHOLE_EVENT >> 20} are kept",
            fix="Send no tasks: they are read from Label Studio",
            field="annotations",
        )
    elif not train and not any(removed(event)) and not labelled(event):
        return None
    reduced = msgspec.structs.replace(event, label_config="", title="", data=data)
    return Spooled(reduced, trusted, train, new_token())


class EventStorage:
    """Stores events in Redis. With `projects`, the description of an event's project is stored, too."""

    def __init__(self, projects: Projects | None) -> None:
        self._projects = projects

    def store(self, job_store: JobStore, spooled: Spooled, deadline: float = math.inf) -> str | None:
        """Store an event; return its job's id, None if it starts no training. Can be repeated safely.

        No further step is begun after `deadline` of the monotonic clock. Raises BrokerError, and ForeignQueue if the
        queue was taken.
        """
        event = spooled.event
        if spooled.trusted:
            self._update_delivered(job_store, event, deadline)
        _check(deadline)
        if not spooled.train:
            return None
        project = self._description(event.uid)
        if project is not None:
            job_store.descriptions.store(project)
        stored = StoredEvent(event.action, event.data, spooled.trusted, caller=event.caller)
        stores_ids = spooled.trusted and (event.ids_only or event.size > MAX_WHOLE_EVENT)
        if stores_ids:
            stored = msgspec.structs.replace(stored, data=ids_only(event), trusted=False)
        return job_store.record(event.uid, stored, spooled.token, bounded=not stores_ids)

    def _update_delivered(self, job_store: JobStore, event: Event, deadline: float) -> None:
        """Update the delivered annotations of a project after an event with the login. Raises BrokerError."""
        task_ids, annotation_ids = removed(event)
        if task_ids or annotation_ids:
            job_store.delivered.remove(event.uid, tasks=task_ids, annotations=annotation_ids)
        pairs = labelled(event)
        if not pairs:
            return
        _check(deadline)
        if event.ids_only:  # the stored state of these annotations is out of date
            job_store.delivered.remove(
                event.uid, annotations=[annotation.get("id") for _, annotation in pairs]
            )
        else:
            job_store.delivered.add(event.uid, pairs)

    def _description(self, uid: str) -> Project | None:
        """Return the description of a project; None if it cannot be read, so that the event can be stored."""
        try:
            return self._projects.get(uid) if self._projects is not None else None
        except BackendError as error:
            logger.warning("Project %s: what is known of it cannot be read: %s", uid, error)
            return None


def _check(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise BrokerError(f"Redis has not taken an event within {BUDGET:g} s")
