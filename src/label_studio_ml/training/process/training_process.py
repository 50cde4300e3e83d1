"""The training process: one run in a child process of the worker, started with the arguments FD, GUARD_FD and SECONDS.

The process reads one request from the socket with descriptor FD, builds the model from the served version, calls `fit`,
and sends reports, and at the end the outcome. The worker, which holds the lease, publishes the version. A guard process
kills the run if the worker is gone or silent for that many SECONDS on the socket GUARD_FD, so that no two runs of a
project overlap.
"""

import contextlib
import logging
import os
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import (
    BackendError,
    FitError,
    StudioError,
    TrainingCancelled,
    TrainingDataError,
)
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_calls.adapter import (
    build,
    describe_class,
    fit_annotations,
    generation,
    json_output,
    reason,
)
from label_studio_ml.model_calls.class_attributes import class_limit
from label_studio_ml.model_calls.project_login import studio_login
from label_studio_ml.monitoring import logs
from label_studio_ml.params.class_params import shown_params
from label_studio_ml.processes.guard import fork_guarded
from label_studio_ml.storage.disk_errors import full_disk_fix, is_full
from label_studio_ml.support.texts import our_command, plural
from label_studio_ml.training.dataset import LabelledTasks, from_delivered, from_studio, from_version
from label_studio_ml.training.job import TrainingJob
from label_studio_ml.training.passing_errors import studio_may_recover
from label_studio_ml.training.policy import Policy, decide
from label_studio_ml.training.process.event_replay import fit_events
from label_studio_ml.training.process.failures import code_of, may_pass
from label_studio_ml.training.process.messages import CANCEL_GRACE, Limits, RunMessage, WorkerConnection
from label_studio_ml.training.process.run_request import Outcome, RunRequest, client_of, refusal
from label_studio_ml.training.process.version_comparison import compared, metrics_to_compare
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.snapshots import SNAPSHOT
from label_studio_ml.user_code.loading import user_class
from label_studio_ml.user_code.model_source import settled_code
from label_studio_ml.versions.factory import open_store
from label_studio_ml.versions.state.key_values import StagedState, StoredState

logger = logging.getLogger(__name__)


class AnnotationsUnavailable(FitError):
    """The annotations cannot be read at present; a later run may succeed."""

    code = "LSML-E345"


def perform(
    cls: type[LabelStudioMLBase],
    request: RunRequest,
    settings: Settings,
    *,
    tasks: LabelledTasks | None = None,
    job: TrainingJob | None = None,
) -> Outcome:
    """Build a model of `cls`, call its `fit` in the way of its generation, and return the outcome.

    `tasks` are the labelled tasks for a seed-generation `fit`; None takes them from the sources in `_annotations`.
    `job` is the job object for `fit`; None makes one whose reports go nowhere.
    Raises the errors of user code, FitError if the annotations cannot be read or the class has no `fit`, and
    ModelFileError if an attribute of the class is invalid.
    """
    info = describe_class(cls)
    job = job or TrainingJob(request.job, Path(request.workdir), request.previous)
    outcome = _perform(cls, request, settings, tasks, job)
    if outcome.changed:
        job.history.write(Path(request.workdir))
    return msgspec.structs.replace(
        outcome,
        metrics=job.metrics,
        previous_metrics=job.previous_metrics,
        promote_if=info.promote_if,
        keep_versions=info.keep_versions,
    )


def _perform(
    cls: type[LabelStudioMLBase],
    request: RunRequest,
    settings: Settings,
    tasks: LabelledTasks | None,
    job: TrainingJob,
) -> Outcome:
    kind = generation(cls)
    if kind == "none":
        raise FitError(
            f"{cls.__name__} has no fit method: there is nothing to train",
            fix="Define fit(self, annotations, **kwargs) in the class, if it is to learn",
            field="fit",
        )
    setup_state = StagedState(StoredState(settings.model_dir, request.spec.project.uid))
    model = build(cls, request.spec, settings, setup_state, code=request.code.hash)
    staged = StagedState(setup_state)
    model._context.state = staged
    job.log_params(**shown_params(cls, getattr(model, "params", None)))
    if kind == "event":
        return fit_events(model, request, settings, staged, job)
    refusal_message = ""
    if tasks is None:
        tasks, refusal_message = _annotations(request, settings)
    task_count = (
        "the labelled tasks" if tasks.expected is None else f"about {plural(tasks.expected, 'labelled task')}"
    )
    logger.info("Training on %s from %s", task_count, tasks.source)
    if job.cancelled:
        return Outcome(error="it was cancelled before fit began", error_code=TrainingCancelled.code)
    tasks.use_files(model._files())
    tasks.use_workdir(Path(request.workdir))
    job.begin()
    last = StoredEvent("START_TRAINING", {})
    for event in request.all_events():
        last = event
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
        train_output={**json_output(output), "job_id": request.job},
        state=staged.changes,
        annotations=tasks.finish(),
        source=tasks.source,
        generation="seed",
        refused=refusal_message,
    )


def _annotations(request: RunRequest, settings: Settings) -> tuple[LabelledTasks, str]:
    """Return the labelled tasks to train on, and why Label Studio's could not be read.

    The sources are, in this order: annotations or a version named by the training request, Label Studio, and the tasks
    that webhooks delivered. The second value is empty except for delivered tasks; there, it is empty if URL or token of
    Label Studio are unknown. Raises FitError if there is no source left, AnnotationsUnavailable if a later run may find
    one, and the errors of `from_version`.
    """
    uid, snapshot = request.spec.project.uid, Path(request.workdir) / SNAPSHOT
    requested: Any = None
    for event in request.all_events():
        if event.action == "START_TRAINING":
            sources = event.data.get("annotations"), event.data.get("from_version")
            requested = next((value for value in sources if value is not None), requested)
    if isinstance(requested, list):
        return LabelledTasks(lambda: requested, "the training request", project=uid, snapshot=snapshot), ""
    if isinstance(requested, str):
        return from_version(open_store(settings), uid, requested, snapshot), ""
    try:
        return from_studio(client_of(request, settings), uid, snapshot), ""
    except StudioError as error:
        if request.delivered:
            tasks = from_delivered(Path(request.delivered), project=uid, snapshot=snapshot)
            if tasks:
                logger.warning(
                    "Label Studio's annotations cannot be read (%s): training on the annotations from webhooks",
                    error,
                )
                is_known = all(studio_login(request.spec.project, settings))
                cause = refusal(error) or (str(error) if is_known else "")
                return tasks, cause and f"only annotations from webhooks are trained on, because {cause}"
        kind = AnnotationsUnavailable if error.passing else FitError
        raise kind(
            f"The annotations of project {request.spec.project.project_id} cannot be read: {error.message}",
            fix=error.fix,
        ) from error


def run(
    request: RunRequest,
    settings: Settings,
    load: Callable[[], type[LabelStudioMLBase]],
    worker: WorkerConnection | None = None,
) -> Outcome:
    """Perform `request` and return the outcome; any exception becomes an outcome with `error` and its cause.

    `load` returns the model class. `worker` sends the reports and receives the request to stop; None for neither.
    """
    job = None
    if worker is not None:
        job = TrainingJob(
            request.job,
            Path(request.workdir),
            request.previous,
            report=worker.send,
            asked=worker.stop_requested,
        )
    policy: Policy | None = None
    kind = ""
    code = settled_code(settings.backend_dir, settings.script, settings.class_name)
    request = msgspec.structs.replace(request, code=code)
    try:
        cls = load()
        if worker is not None:
            worker.send(RunMessage(limits=limits(cls, settings)))
        info = describe_class(cls)
        policy, kind = Policy.of(info, settings), info.generation
        refused = _refusal(request, settings, policy, kind)
        outcome = refused or _measured(perform(cls, request, settings, job=job), request, settings, job)
    except BaseException as error:
        if isinstance(error, TrainingDataError):
            logger.warning("Nothing is learnt: %s", error)
        elif isinstance(error, TrainingCancelled):
            logger.info("The training was cancelled")
        else:
            logger.exception("The training failed. More: %s", our_command("explain", code_of(error)))
        full = is_full(error)
        outcome = Outcome(
            error=_as_text(_full_disk(error, request, settings) if full else reason(error)),
            error_code=code_of(error),
            trace="" if isinstance(error, BackendError) else _as_text(traceback.format_exc()),
            passing=isinstance(error, AnnotationsUnavailable)
            or studio_may_recover(error)
            or may_pass(error, settings.model_dir),
            refused=refusal(error),
        )
    return msgspec.structs.replace(outcome, policy=policy, generation=outcome.generation or kind, code=code)


def _full_disk(error: BaseException, request: RunRequest, settings: Settings) -> str:
    """Return the message for an error that a full disk caused, with advice on how to fix it."""
    if isinstance(error, BackendError) and error.fix:
        return reason(error)
    folders = [Path(request.workdir), settings.backend_dir, settings.log_dir, Path(tempfile.gettempdir())]
    shared_memory = Path("/dev/shm")  # noqa: S108 (nothing is written there)
    if shared_memory.is_dir():  # macOS has none
        folders.append(shared_memory)
    return f"{reason(error)}. {full_disk_fix(error, folders)}"


def _measured(outcome: Outcome, request: RunRequest, settings: Settings, job: TrainingJob | None) -> Outcome:
    """Return the outcome with a comparison of both versions on the same tasks, if the gate needs one.

    A cancelled run is not compared.
    """
    metrics = metrics_to_compare(request, settings, outcome)
    if not metrics or (job is not None and job.cancelled):
        return outcome
    if job is not None:
        job.compare()  # so that the comparison does not count towards fit_timeout
    return compared(request, settings, outcome, metrics, (lambda: job.cancelled) if job else lambda: False)


def _refusal(request: RunRequest, settings: Settings, policy: Policy, kind: str) -> Outcome | None:
    """Return an outcome with `postponed` if the run is not due, None if it is due or the request has no tally."""
    if request.tally is None:
        return None
    if kind == "event" and not request.whole:
        return Outcome(postponed="its class has changed: its events are read again")
    labelled = -1
    decision = decide(policy, request.tally, request.now, None)
    if decision.due and policy.min_annotations and not request.tally.asked:
        labelled = _count_labelled(request, settings)
        decision = decide(policy, request.tally, request.now, labelled if labelled >= 0 else None)
    return None if decision.due else Outcome(postponed=decision.message, labelled=labelled)


def _count_labelled(request: RunRequest, settings: Settings) -> int:
    """Return the project's number of labelled tasks in Label Studio, or else of delivered ones; -1 if it is unknown."""
    try:
        return client_of(request, settings).count_labelled(request.spec.project.project_id)
    except StudioError as error:
        logger.warning("Label Studio's labelled tasks cannot be counted: %s", error)
    if not request.delivered:
        return -1
    with open(request.delivered, "rb") as lines:
        return sum(1 for _ in lines) or -1


def limits(cls: type[LabelStudioMLBase], settings: Settings) -> Limits:
    """Return the time limits for a fit of `cls`; settings take precedence over class attributes.

    Raises ModelFileError if an attribute is invalid.
    """
    timeout = class_limit(cls, "fit_timeout", 0.0) if settings.fit_timeout is None else settings.fit_timeout
    grace = (
        class_limit(cls, "cancel_grace", CANCEL_GRACE)
        if settings.cancel_grace is None
        else settings.cancel_grace
    )
    return Limits(fit_timeout=timeout, cancel_grace=grace)


def encoded(outcome: Outcome) -> bytes:
    """Return an outcome as JSON; if JSON cannot hold it, return a failed outcome that names the field."""
    try:
        return msgspec.json.encode(outcome)
    except (TypeError, ValueError, RecursionError) as error:
        fields = {name: getattr(outcome, name) for name in outcome.__struct_fields__}
        field = next((name for name, value in fields.items() if not _is_json(value)), "the outcome")
        message = ascii(outcome.error) if field == "error" else f"{field} of the run cannot be kept: {error}"
        logger.error("%s", message)
        return msgspec.json.encode(
            Outcome(
                error=message,
                error_code=outcome.error_code or FitError.code,
                policy=outcome.policy,
                generation=outcome.generation,
                code=outcome.code,
            )
        )


def _as_text(text: str) -> str:
    """Return a text from user code with backslash escapes for characters that UTF-8 cannot encode."""
    return text.encode("utf-8", "backslashreplace").decode()


def _is_json(value: object) -> bool:
    try:
        msgspec.json.encode(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def main() -> int:
    """Run one training with the arguments of the command line. Does not return: the process exits with status 0."""
    fork_guarded(int(sys.argv[2]), float(sys.argv[3]))
    settings = Settings.from_env()
    logs.configure(settings.log_level, as_json=settings.log_json)
    worker = WorkerConnection(socket.socket(fileno=int(sys.argv[1])))
    request = msgspec.json.decode(worker.request(), type=RunRequest)
    logs.run_id.set(request.job)
    outcome = run(request, settings, lambda: user_class(settings), worker)
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    worker.send(RunMessage(outcome=msgspec.Raw(encoded(outcome))))
    os._exit(0)


if __name__ == "__main__":
    main()
