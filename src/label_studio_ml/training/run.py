"""One training run, in a process of its own: `python -m label_studio_ml.training.run FD GUARD_FD PATIENCE`.

It reads one request from the socket with descriptor FD, builds the model from the current version, calls `fit`, and
says how it goes, the outcome last. It publishes nothing: the worker does, while it holds the lease.
Its guard ends it when the worker is gone or silent, so that no two runs of a project overlap.
"""

import contextlib
import logging
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml import logs
from label_studio_ml.adapter import (
    ModelSpec,
    build,
    class_limit,
    describe_class,
    fit_annotations,
    fit_event,
    generation,
    reason,
    studio_login,
    version_name,
)
from label_studio_ml.errors import BackendError, FitError, StudioError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.settings import Settings
from label_studio_ml.source import load_class, locate
from label_studio_ml.studio.client import StudioClient
from label_studio_ml.training.dataset import LabelledTasks, from_delivered, from_studio, from_version
from label_studio_ml.training.folder import Snapshot, snapshot
from label_studio_ml.training.guard import stand_guard
from label_studio_ml.training.job import PreviousVersion, TrainingJob
from label_studio_ml.training.jobs import StoredEvent
from label_studio_ml.training.snapshots import SNAPSHOT
from label_studio_ml.training.wire import Limits, RunEnd, Said
from label_studio_ml.versions.state import StagedState, StoredState
from label_studio_ml.versions.store import VersionStore

logger = logging.getLogger(__name__)


class RunRequest(msgspec.Struct, frozen=True):
    """What to train: the model as it is served now, the events, and where results go.

    `delivered` is a file of labelled tasks that webhooks brought, one JSON object a line. `previous` is the version
    that the run starts from.
    """

    job: str
    spec: ModelSpec
    events: list[StoredEvent]
    workdir: str
    delivered: str = ""
    previous: PreviousVersion | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a run.

    `error` is empty if every fit came back; with `changed` it tells of the events that failed beside others that did
    not. `changed` tells whether there is something to publish; `version` is the name that the user's code gave it, if
    it did; `served` the name that was served until now; `state` the key/value pairs that it set; `metrics` the last
    value of each number that the run logged. `promote_if` and `keep_versions` are the class's.
    """

    error: str = ""
    trace: str = ""
    changed: bool = False
    version: str = ""
    served: str = ""
    train_output: dict[str, Any] = {}
    state: dict[str, str] = {}
    metrics: dict[str, int | float | None] = {}
    annotations: int = -1
    source: str = ""
    generation: str = ""
    promote_if: str = ""
    keep_versions: int = LabelStudioMLBase.keep_versions


def perform(
    cls: type[LabelStudioMLBase],
    request: RunRequest,
    settings: Settings,
    *,
    tasks: LabelledTasks | None = None,
    job: TrainingJob | None = None,
) -> Outcome:
    """Build a model of `cls`, call its `fit` as its generation wants, and return what came of it.

    `tasks` are the labelled tasks to train on; None reads them from Label Studio. `job` is the run object that `fit`
    gets; None makes one that nobody listens to.
    Raises what user code raises, FitError when the annotations cannot be read, and ModelFileError when an attribute
    of the class cannot be used.
    """
    info = describe_class(cls)
    job = job or TrainingJob(request.job, Path(request.workdir), request.previous)
    outcome = _perform(cls, request, settings, tasks, job)
    if outcome.changed:
        job.history.write(Path(request.workdir))
    return msgspec.structs.replace(
        outcome, metrics=job.metrics, promote_if=info.promote_if, keep_versions=info.keep_versions
    )


def _perform(
    cls: type[LabelStudioMLBase],
    request: RunRequest,
    settings: Settings,
    tasks: LabelledTasks | None,
    job: TrainingJob,
) -> Outcome:
    setup_state = StagedState(StoredState(settings.model_dir, request.spec.project.uid))
    model = build(cls, request.spec, settings, setup_state)
    staged = StagedState(setup_state)
    model._context.state = staged
    if generation(cls) == "event":
        return _fit_events(model, request, settings, staged, job)
    if tasks is None:
        tasks = _annotations(request, settings)
    about = "the" if tasks.expected is None else f"about {tasks.expected}"
    logger.info("Training on %s labelled tasks from %s", about, tasks.source)
    if job.cancelled:
        return Outcome(error="it was cancelled before fit began")
    job.begin()
    last = request.events[-1] if request.events else StoredEvent("START_TRAINING", {})
    output = fit_annotations(
        model,
        tasks,
        event=last.action,
        data=last.data,
        job=job,
        job_id=request.job,
        workdir=Path(request.workdir),
    )
    return Outcome(
        changed=True,
        version=staged.changes.get("model_version", ""),
        train_output={**_jsonable(output), "job_id": request.job},
        state=staged.changes,
        annotations=tasks.finish(),
        source=tasks.source,
        generation="seed",
    )


def _fit_events(
    model: LabelStudioMLBase, request: RunRequest, settings: Settings, staged: StagedState, job: TrainingJob
) -> Outcome:
    """Call an event-generation `fit` once for each event, in order; one that fails takes no other with it.

    Raises what the only event raises.
    """
    before = _user_files(settings)
    served = version_name(model, request.spec)
    wanted = set(model.TRAIN_EVENTS) | {"START_TRAINING"}
    count = 0
    failures: list[str] = []
    singles = [one for event in request.events for one in _single_events(event, request, settings)]
    job.begin()
    for action, data in singles:
        if job.cancelled:
            break
        if action not in wanted:
            continue
        kept = dict(staged.changes)
        try:
            fit_event(model, action, data, request.job, job)
            count += 1
        except (Exception, SystemExit) as error:
            if len(singles) == 1:
                raise
            logger.exception("fit failed for one %s", action)
            staged.changes = kept
            failures.append(f"{action}: {reason(error)}")
    changed = bool(staged.changes) or _user_files(settings) != before or any(Path(request.workdir).iterdir())
    total = count + len(failures)
    return Outcome(
        error=f"fit failed for {len(failures)} of {total} events; {failures[0]}" if failures else "",
        changed=changed and count > 0,
        version=staged.changes.get("model_version", ""),
        served=served,
        train_output={"job_id": request.job},
        state=staged.changes,
        source="events",
        generation="event",
    )


def _single_events(
    event: StoredEvent, request: RunRequest, settings: Settings
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield an event, or the single events that a bulk event stands for, as `fit(event, data)` knows them."""
    data = event.data if event.trusted else _fetched(event, request, settings)
    if data is None:
        return
    if event.action == "ANNOTATIONS_CREATED":
        annotations, tasks = data.get("annotation") or [], data.get("task") or []
        by_id = {task.get("id"): task for task in tasks if isinstance(task, dict)}
        for annotation in annotations:
            task = by_id.get(annotation.get("task"), {})
            single = {**data, "action": "ANNOTATION_CREATED", "annotation": annotation, "task": task}
            yield "ANNOTATION_CREATED", single
        return
    if event.action == "ANNOTATIONS_DELETED":
        for annotation in data.get("annotations") or []:
            yield "ANNOTATION_DELETED", {**data, "action": "ANNOTATION_DELETED", "annotation": annotation}
        return
    yield event.action, data


def _fetched(event: StoredEvent, request: RunRequest, settings: Settings) -> dict[str, Any] | None:
    """Read from Label Studio what an event without login told the ids of; None if that fails."""
    if event.action == "ANNOTATIONS_CREATED":
        told = {(one["task"], one["id"]) for one in event.data.get("annotations") or []}
    elif event.data.get("task") is not None:
        told = {(event.data["task"], event.data.get("annotation"))}
    else:
        return {"action": event.action, **event.data}
    tasks: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for task_id in sorted({task_id for task_id, _ in told}):
        try:
            task = _client(request, settings).task(task_id)
        except StudioError as error:
            logger.warning(
                "Event %s of task %s came without login and cannot be checked: %s",
                event.action,
                task_id,
                error,
            )
            continue
        found = [one for one in task.get("annotations", []) if (task_id, one.get("id")) in told]
        if found:
            tasks.append(task)
            annotations.extend({**one, "task": task_id} for one in found)
    if not annotations:
        return None
    project = {"action": event.action, "project": event.data.get("project")}
    if event.action == "ANNOTATIONS_CREATED":
        return {**project, "task": tasks, "annotation": annotations}
    return {**project, "task": tasks[0], "annotation": annotations[0]}


def _annotations(request: RunRequest, settings: Settings) -> LabelledTasks:
    """Return the project's labelled tasks from where they can be had. Raises FitError if from nowhere."""
    uid, snapshot = request.spec.project.uid, Path(request.workdir) / SNAPSHOT
    for event in reversed(request.events):
        if event.action != "START_TRAINING":
            continue
        if isinstance(given := event.data.get("annotations"), list):
            return LabelledTasks(lambda: given, "the training request", project=uid, snapshot=snapshot)
        if isinstance(version := event.data.get("from_version"), str):
            return from_version(VersionStore(settings.model_dir), uid, version, snapshot)
    try:
        return from_studio(_client(request, settings), uid, snapshot)
    except StudioError as error:
        if request.delivered:
            tasks = from_delivered(Path(request.delivered), project=uid, snapshot=snapshot)
            if tasks:
                logger.warning(
                    "Label Studio's annotations cannot be read (%s): training on what webhooks brought", error
                )
                return tasks
        raise FitError(
            f"The annotations of project {request.spec.project.project_id} cannot be read: {error.message}",
            fix=error.fix,
        ) from error


def _client(request: RunRequest, settings: Settings) -> StudioClient:
    url, token = studio_login(request.spec.project, settings)
    if not url or not token:
        raise StudioError(
            "it is not known where Label Studio is",
            fix="Add this backend to a project in Label Studio, or set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY",
        )
    return StudioClient(url, token, verify_tls=settings.studio_verify_tls)


def _user_files(settings: Settings) -> Snapshot:
    """Return a snapshot of the folder that an event-generation model keeps its weights in."""
    folder = (
        settings.backend_dir / settings.user_model_dir if settings.user_model_dir else settings.backend_dir
    )
    return snapshot(folder)


def _jsonable(output: dict[str, Any]) -> dict[str, Any]:
    """Return what `fit` returned as plain JSON values. Raises FitError naming the key that is not."""
    from label_studio_ml.predictions import plain

    clean: dict[str, Any] = {}
    for key, value in output.items():
        try:
            clean[str(key)] = msgspec.json.decode(msgspec.json.encode(value, enc_hook=plain))
        except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
            raise FitError(f"fit returned {key!r} with a value that JSON cannot hold: {error}") from None
    return clean


def run(
    request: RunRequest,
    settings: Settings,
    load: Callable[[], type[LabelStudioMLBase]],
    end: RunEnd | None = None,
) -> Outcome:
    """Perform `request`, turning whatever user code raises into an outcome with its cause; `end` hears how it goes."""
    job = None
    if end is not None:
        job = TrainingJob(
            request.job, Path(request.workdir), request.previous, report=end.say, asked=end.asked
        )
    try:
        cls = load()
        if end is not None:
            end.say(Said(limits=limits(cls, settings)))
        return perform(cls, request, settings, job=job)
    except BaseException as error:
        logger.exception("The training failed")
        return Outcome(
            error=reason(error), trace="" if isinstance(error, BackendError) else traceback.format_exc()
        )


def limits(cls: type[LabelStudioMLBase], settings: Settings) -> Limits:
    """Return how long a fit of `cls` may take: settings win over class attributes. Raises ModelFileError."""
    timeout = class_limit(cls, "fit_timeout", 0.0) if settings.fit_timeout is None else settings.fit_timeout
    grace = class_limit(cls, "cancel_grace", 10.0) if settings.cancel_grace is None else settings.cancel_grace
    return Limits(fit_timeout=timeout, cancel_grace=grace)


def main() -> int:
    """Run one training on the socket whose descriptor is the first argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stand_guard(int(sys.argv[2]), float(sys.argv[3]))
    settings = Settings.from_env()
    logs.configure(settings.log_level, as_json=settings.log_json)
    os.chdir(settings.backend_dir)
    end = RunEnd(socket.socket(fileno=int(sys.argv[1])))
    request = msgspec.json.decode(end.request(), type=RunRequest)
    logs.run_id.set(request.job)
    outcome = run(
        request,
        settings,
        lambda: load_class(locate(settings.backend_dir, settings.script, settings.class_name)),
        end,
    )
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    end.say(Said(outcome=msgspec.Raw(msgspec.json.encode(outcome))))
    os._exit(0)


if __name__ == "__main__":
    main()
