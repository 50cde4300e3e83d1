"""Ownership of queues: each queue in Redis belongs to one backend, and each job names the backend that it is for.

Without `RQ_QUEUE_NAME`, the name of a backend's queue contains the backend's id. A queue named by that setting belongs
to the backend that claimed it first; another backend with the same setting logs an error and uses a separate queue.
"""

import contextlib
import logging
import socket
from dataclasses import dataclass
from typing import Any

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BackendError, BrokerError, StoreError, VersionError
from label_studio_ml.support.texts import plural
from label_studio_ml.training.redis.keys import DEFAULT_QUEUE, REGISTER, Keys
from label_studio_ml.training.redis.redis_errors import broker_errors, raises_broker_errors
from label_studio_ml.training.redis.scripts import CLAIM_QUEUE, RELEASE_QUEUE
from label_studio_ml.user_code.code_identity import identify
from label_studio_ml.versions.backend_id import backend_id

logger = logging.getLogger(__name__)

#: Without a renewal, a claim lasts for MIN_CLAIM_LIFE seconds or for CLAIM_SWEEPS intervals of the sweeper, whichever
#: is longer.
MIN_CLAIM_LIFE, CLAIM_SWEEPS = 60.0, 6


class ForeignQueue(BrokerError):
    """The queue belongs to another backend."""

    code = "LSML-E630"


@dataclass(frozen=True, slots=True)
class Owner:
    """The identity of a backend, as it is stored with its queue and jobs.

    `model_class` and `code` (`CodeIdentity.files_hash`) identify the model; `place` is the host and folder.
    """

    id: str
    model_class: str = ""
    code: str = ""
    place: str = ""

    @classmethod
    def of(cls, settings: Settings) -> "Owner":
        """Return the identity of the backend with these settings.

        Raises VersionError or StoreError if the backend's id cannot be read or created.
        """
        code = ""
        if settings.script is not None:
            with contextlib.suppress(
                BackendError, OSError
            ):  # the model file is unreadable or not valid Python: no training can succeed
                code = identify(settings.backend_dir / settings.script).files_hash
        place = f"{socket.gethostname()}:{settings.backend_dir}"
        return cls(backend_id(settings), settings.class_name, code, place)

    def __str__(self) -> str:
        return f"{self.model_class or 'a model'} in {self.place}"


@raises_broker_errors
@dataclass(frozen=True, slots=True)
class Claim:
    """A backend's claim on a queue, which lasts for `life` seconds after each renewal.

    `server` is the id of the server process that claims, empty for a worker or a command. Only servers change the class
    and code that are stored with the queue.
    """

    owner: Owner
    life: float = MIN_CLAIM_LIFE
    server: str = ""

    def take(self, connection: Any, queue: str) -> Owner | None:
        """Claim the queue or renew the claim, and return None; if another backend owns the queue, return that backend.

        A queue whose claim has expired can be taken by a backend with the same class and code, which is the same
        backend with a new MODEL_DIR. Raises BrokerError.
        """
        owner = self.owner
        args = (
            owner.id,
            owner.model_class,
            owner.code,
            owner.place,
            round(self.life * 1000),
            self.server,
            queue,
        )
        keys = Keys(queue)
        registered = connection.eval(CLAIM_QUEUE, 3, keys.backend, REGISTER, keys.servers, *args)
        return _owner(registered) if registered else None

    def release(self, connection: Any, queue: str, *, workers: int = 0) -> None:
        """Remove the claim's server, or report that a worker ends; `workers` is the number of workers still running.

        If no server and no worker is left, the claim expires at once, so that a backend with the same class and code
        can take the queue. Raises BrokerError.
        """
        keys = Keys(queue)
        args = (self.owner.id, self.server, int(workers > 0))
        connection.eval(RELEASE_QUEUE, 2, keys.backend, keys.servers, *args)


@broker_errors()
def own_queue(connection: Any, settings: Settings, claim: Claim, *, claiming: bool) -> str:
    """Return the name of this backend's queue, and with `claiming` claim it. Raises BrokerError.

    If another backend owns the queue RQ_QUEUE_NAME, the name is `RQ_QUEUE_NAME.ID` with this backend's id. A backend
    that has claimed such a queue once keeps it.
    """
    name = settings.queue or f"{DEFAULT_QUEUE}-{claim.owner.id}"
    own_name = f"{name}.{claim.owner.id}"
    other_owner: Owner | None = None
    if settings.queue and connection.exists(Keys(own_name).backend):
        other_owner = owner_of(connection, name) or Owner("", place="another folder")
    elif claiming:
        other_owner = claim.take(connection, name)
    else:
        registered = owner_of(connection, name)
        other_owner = registered if registered is not None and registered.id != claim.owner.id else None
    if other_owner is None:
        return name
    if claiming:
        claim.take(connection, own_name)
        logger.error(
            "RQ_QUEUE_NAME=%s is the queue of another backend (%s): this one (%s) uses the queue %s instead, with "
            "workers of its own. Give each backend another RQ_QUEUE_NAME, or leave it out; servers and workers of one "
            "backend share its MODEL_DIR",
            name,
            other_owner,
            claim.owner,
            own_name,
        )
    return own_name


@broker_errors()
def owner_of(connection: Any, queue: str) -> Owner | None:
    """Return the backend that owns a queue, None if the queue has no owner. Raises BrokerError."""
    fields = connection.hmget(Keys(queue).backend, "id", "class", "code", "place")
    return _owner(fields) if fields[0] else None


def _owner(fields: list[bytes | None]) -> Owner:
    return Owner(*((field or b"").decode() for field in fields))


def identified(settings: Settings) -> Owner:
    """Return the identity of this backend. Raises BrokerError if the backend's id is not available."""
    try:
        return Owner.of(settings)
    except StoreError as error:
        raise BrokerError(f"This backend's queue cannot be determined yet: {error}") from error
    except VersionError as error:
        raise BrokerError(error.message, fix=error.fix) from error


@broker_errors()
def leftover_queues(connection: Any, queue: str, owner: Owner) -> list[tuple[str, int]]:
    """Return names and numbers of events of the unused queues whose events may belong to this backend.

    Those are the other queues that it owns, and the former default queue if it has no owner. Raises BrokerError.
    """
    names = [
        name.decode()
        for name, owner_id in connection.hgetall(REGISTER).items()
        if owner_id.decode() == owner.id and name.decode() != queue
    ]
    if queue != DEFAULT_QUEUE and owner_of(connection, DEFAULT_QUEUE) is None:
        names.append(DEFAULT_QUEUE)
    queues = []
    for name in sorted(set(names)):
        keys = Keys(name)
        waiting = sum(
            int(connection.xlen(keys.mailbox(uid.decode()))) for uid in connection.smembers(keys.dirty)
        )
        if waiting:
            queues.append((name, waiting))
    return queues


def log_leftover_queues(connection: Any, queue: str, owner: Owner) -> None:
    """Log the `leftover_queues`, with the setting that makes the backend use them. Redis errors are ignored."""
    try:
        queues = leftover_queues(connection, queue, owner)
    except BrokerError as error:
        logger.debug("Other queues cannot be read: %s", error)
        return
    for name, waiting in queues:
        former = ", the former default name" if name == DEFAULT_QUEUE else ", which this backend used before"
        logger.warning(
            "%s in this Redis on the queue %s%s: to train on them, start with RQ_QUEUE_NAME=%s",
            plural(waiting, "event waits", "events wait"),
            name,
            former,
            name,
        )


def log_served_elsewhere(connection: Any, queue: str, owner: Owner) -> None:
    """Log the other queues that servers of the owner's class use, if no server uses `queue`. Redis errors are ignored.

    Without the log message, a worker with another MODEL_DIR than its servers would wait for ever unnoticed.
    """
    try:
        owners = _served_elsewhere(connection, queue, owner)
    except BrokerError as error:
        logger.debug("Other queues cannot be read: %s", error)
        return
    for name, queue_owner in owners.items():
        if queue_owner is not None and queue_owner.model_class == owner.model_class:
            logger.warning(
                "No server uses the queue %s of this worker (%s), and a server of the same class uses the queue %s "
                "(%s). Servers and workers of one backend need the same MODEL_DIR, or the same store",
                queue,
                owner,
                name,
                queue_owner,
            )


@broker_errors()
def _served_elsewhere(connection: Any, queue: str, owner: Owner) -> dict[str, Owner | None]:
    if _has_servers(connection, queue):
        return {}
    register = connection.hgetall(REGISTER)
    names = [name.decode() for name, owner_id in register.items() if owner_id.decode() != owner.id]
    return {name: owner_of(connection, name) for name in sorted(names) if _has_servers(connection, name)}


def _has_servers(connection: Any, queue: str) -> bool:
    """Tell whether a server has an unexpired claim on a queue. Raises BrokerError."""
    seconds, microseconds = connection.time()
    now = seconds * 1000 + microseconds // 1000
    return bool(connection.zcount(Keys(queue).servers, f"({now}", "+inf"))
