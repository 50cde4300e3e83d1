"""Checks of the backend's server, its Redis, and the events that wait for a training."""

import socket
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from label_studio_ml.connect.addresses import port_in
from label_studio_ml.connect.backend_client import BackendDown
from label_studio_ml.doctor.check import Check, fail, failed, ok, skip, warn
from label_studio_ml.doctor.context import Context
from label_studio_ml.errors import BackendError
from label_studio_ml.storage.folder_problems import folder_problem
from label_studio_ml.storage.server_address import address
from label_studio_ml.support.texts import our_command, plural

if TYPE_CHECKING:
    from label_studio_ml.training.records.job_store import JobStore

#: Seconds to wait for a worker to register in Redis: a starting backend answers before that.
WORKER_START = 10.0


def server(context: Context) -> Iterator[Check]:
    """Check that the backend is up and has imported its model file; set `about`. If it is down, check its port."""
    try:
        context.view.health()
        context.about = context.view.connection(context.uid or context.number)
    except BackendDown as error:
        if error.field == "BASIC_AUTH_USER":
            yield failed("server", error)
        elif (announced := address(context.settings.model_dir)) and port_in(announced) not in (
            None,
            context.port,
        ):
            yield fail(
                "server",
                f"it is not on port {context.port}: it listens at {announced}",
                f"Leave out --port, or give --port {port_in(announced)}",
            )
        elif _listens(context.port):
            yield fail(
                "server",
                f"something else listens on port {context.port} of this machine",
                "Stop that program, or start the backend with another --port and give that to doctor and connect",
            )
        else:
            start = our_command("start", context.folder, "--port", context.port)
            yield fail("server", f"it is not up; port {context.port} is free", f"Run: {start}")
        return
    name = context.about.get("model_class")
    if not name:
        yield warn("server", "it is up but has not imported its model file", "Wait, or see logs/server.log")
        return
    yield ok("server", f"{name} on port {context.port}, label-studio-ml {context.about.get('version')}")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def redis_durability(context: Context) -> Check:
    """Check that Redis is configured to lose no events: append-only file on, no eviction."""
    from label_studio_ml.runtime.broker import running_url
    from label_studio_ml.training.redis.redis_client import connect
    from label_studio_ml.training.redis.redis_errors import explain

    settings = context.settings
    url = settings.redis_url or running_url(settings.model_dir / "broker")
    if not url:
        if problem := _reported_problem(context, "broker"):
            return fail("redis", problem, "See logs/server.log")
        return skip("redis", "it is started by the backend, which is not running")
    client = connect(url)
    try:
        persistence: dict[str, Any] = client.info("persistence")
        memory: dict[str, Any] = client.info("memory")
    except Exception as error:  # noqa: BLE001 - `explain` describes any error
        return failed("redis", explain(error))
    finally:
        client.close()
    policy = memory.get("maxmemory_policy", "")
    losses = []
    if not persistence.get("aof_enabled"):
        losses.append(("it loses events when it stops", "appendonly yes"))
    if memory.get("maxmemory") and policy not in {"", "noeviction"}:
        losses.append((f"it drops events when its memory is full ({policy})", "maxmemory-policy noeviction"))
    if losses:
        return warn(
            "redis",
            "; ".join(loss for loss, _ in losses),
            f"Set in redis.conf: {', '.join(setting for _, setting in losses)}",
        )
    where = "given by REDIS_URL" if settings.redis_url else "the backend's own"
    return ok("redis", f"{where}, append-only file on, {policy or 'unknown policy'}")


def spool(context: Context) -> Iterator[Check]:
    """Check that the spool, where events wait on disk while Redis is down, is usable, not full, and empty.

    An empty, usable spool yields nothing.
    """
    from label_studio_ml.training.intake.spool_capacity import FOLDER_UNUSABLE, SpoolCapacity

    settings = context.settings
    if folder_problem(settings.model_dir):
        yield skip("spool", "the model folder cannot be read")  # `disk` fails and says why
        return
    folder = settings.model_dir / "spool"
    capacity = SpoolCapacity(folder, settings.spool_events, settings.spool_bytes)
    capacity.recount(set())
    if capacity.problem:
        yield fail("spool", capacity.problem, "Make Redis reachable, or raise SPOOL_EVENTS and SPOOL_MB")
    elif problem := folder_problem(folder, write=True):
        yield fail("spool", f"{FOLDER_UNUSABLE}: {problem.message}", problem.fix)
    elif reported := _reported_problem(context, "spool"):
        yield fail("spool", reported, "Let the user that runs the backend write there")
    elif capacity.events:
        yield warn(
            "spool",
            f"{plural(capacity.events, 'event waits', 'events wait')} on this machine's disk for Redis",
            "Start the backend, and see that it reaches Redis",
        )


def _reported_problem(context: Context, part: str) -> str:
    """Return the problem that /readyz reports for `part`; empty if there is none or the server does not answer."""
    if context.about is None:
        return ""
    try:
        state = context.view.parts().get(part, "ok")
    except BackendError:
        return ""
    return "" if state == "ok" else str(state)


def trainings(context: Context) -> Iterator[Check]:
    """Check that no events wait without being trained on, as /readyz reports it."""
    if context.about is None:
        yield skip("trainings", "the backend is not up")
        return
    try:
        parts = context.view.ready()
    except BackendError as error:  # the server is shutting down, or has never reached its Redis
        yield skip("trainings", error.message)
        return
    if problem := parts.get("training"):
        yield fail("trainings", str(problem), _how_to_train(context))
    else:
        yield ok("trainings", "no event has waited too long for a training")


def _how_to_train(context: Context) -> str:
    """Return the fix for a missing worker: start one if REDIS_URL is set, else restart the backend, which has one."""
    if context.settings.redis_url:
        worker = our_command("worker", context.folder)
        return f"See logs/rq.log where the worker runs; start one with this REDIS_URL and MODEL_DIR: {worker}"
    return f"See logs/rq.log; end the backend and run again: {our_command('start', context.folder)}"


def queue(context: Context) -> Iterator[Check]:
    """Check, if REDIS_URL is set, this backend's queue: its owner, its workers, and events left on other queues."""
    from label_studio_ml.training.records.job_store_access import open_job_store, worker_count
    from label_studio_ml.training.redis.queue_owner import leftover_queues, owner_of
    from label_studio_ml.training.redis.redis_client import connect

    settings = context.settings
    if not settings.redis_url:
        return
    client = connect(settings.redis_url)
    try:
        job_store = open_job_store(client, settings, embedded=False, claiming=False)
        name = job_store.keys.queue
        workers = worker_count(job_store)
        if not workers and context.about is not None:
            workers = _workers_that_start(job_store)
        others = leftover_queues(client, name, job_store.owner) if job_store.owner is not None else []
        other = owner_of(client, settings.queue) if settings.queue not in ("", name) else None
    except BackendError as error:
        yield skip("queue", f"it cannot be read: {error.message}")
        return
    finally:
        client.close()
    if settings.queue not in ("", name):
        yield warn(
            "queue",
            f"RQ_QUEUE_NAME={settings.queue} is the queue of another backend ({other}); this one uses {name}",
            "Give each backend another RQ_QUEUE_NAME, or leave it out",
        )
    elif others:
        waiting, events = others[0]
        yield warn(
            "queue",
            f"{plural(events, 'event waits', 'events wait')} on the queue {waiting}, which is not this backend's",
            f"To train on them, start it with RQ_QUEUE_NAME={waiting}",
        )
    elif not workers and context.about is None:  # starting the backend may start workers, too
        yield skip("queue", f"{name} has no worker, because the backend is not running")
    elif not workers:
        yield warn("queue", f"{name} has no worker, so nothing is trained", _how_to_train(context))
    else:
        yield ok("queue", f"{name}, {plural(workers, 'worker')}")


def _workers_that_start(job_store: "JobStore") -> int:
    """Wait for the first worker to register, and return the number of workers; 0 after `WORKER_START` seconds."""
    from label_studio_ml.training.records.job_store_access import worker_count

    deadline = time.monotonic() + WORKER_START
    while not (workers := worker_count(job_store)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return workers
