"""Record failed predictions with the ids of their tasks, for the dashboard. Predictions that succeed cost nothing."""

from collections.abc import Sequence

import msgspec

from label_studio_ml.errors import (
    BackendError,
    CallerLeft,
    DeadlineExceeded,
    ModelError,
    ModelProcessDied,
    Overloaded,
    PredictError,
    PredictionInvalid,
    RequestError,
    VersionError,
)
from label_studio_ml.model_calls.predictor import Answer
from label_studio_ml.monitoring.error_groups import MAX_TASKS, ErrorGroups, Kind
from label_studio_ml.protocol.task_ids import task_ids
from label_studio_ml.validation.region_checks import INVALID

#: What to do about a failed prediction whose cause does not say it.
FIX_PREDICT = (
    "Correct predict in the model's file, and start the backend again. The traceback is in the server's log"
)
FIX_DIED = "See the end of the server's log: the system may have ended the process for want of memory"
FIX_LATE = "Send fewer tasks at once, or make predict faster. The results that come late are kept for the next request"
FIX_LOAD = (
    "See the server's log, correct the model's file, then promote the version again, or train a new one"
)
FIX_OVERLOAD = "Send fewer requests at a time, or give the server more model processes (--model-workers)"

#: Errors of prediction requests, how they are shown, and what to do; the first matching class applies.
_KINDS: tuple[tuple[type[BackendError], Kind, str], ...] = (
    (Overloaded, "overload", FIX_OVERLOAD),
    (DeadlineExceeded, "deadline", FIX_LATE),
    (ModelProcessDied, "model_process", FIX_DIED),
    (ModelError, "model_load", FIX_LOAD),
    (VersionError, "model_load", FIX_LOAD),
)

#: The codes of tasks without prediction by kind.
_CODES: dict[Kind, str] = {"prediction": PredictError.code, "invalid_prediction": PredictionInvalid.code}

_entries = msgspec.json.Decoder(list[msgspec.Raw])


class _Failure(msgspec.Struct):
    error: str = ""


def record_answer(
    groups: ErrorGroups, uid: str, tasks: Sequence[bytes], answer: Answer, version: str
) -> None:
    """Record the tasks of an answer without prediction, and the predictions that Label Studio cannot show.

    `uid` is the project's, `tasks` are those of the request as JSON, `version` names the model version.
    """
    if answer.invalid:
        return
    about = {"project": uid, "version": version}
    if answer.error:
        count = answer.failed or len(tasks)
        kind, fix = _kind_of(answer.error, answer)
        code = _CODES[kind]
        groups.add(
            kind, answer.error, fix=fix, code=code, tasks=task_ids(tasks, MAX_TASKS), count=count, **about
        )
    elif answer.failed:
        for cause, failed in _failed_tasks(tasks, answer.results).items():
            kind, fix = _kind_of(cause, answer)
            ids, code = task_ids(failed, MAX_TASKS), _CODES[kind]
            groups.add(kind, cause, fix=fix, code=code, tasks=ids, count=len(failed), **about)
    else:
        for problem, count in answer.refused.items():
            fix, ids = answer.refused_for.get(problem, ("", []))
            sent = "repaired" if answer.repaired else "nevertheless"
            message = f"{INVALID}: {problem}; it is sent {sent}"
            code = PredictionInvalid.code
            groups.add("invalid_prediction", message, fix=fix, code=code, tasks=ids, count=count, **about)


def record_error(groups: ErrorGroups, uid: str, tasks: Sequence[bytes], error: BackendError) -> None:
    """Record an error that a whole request ended with, unless the request or its client caused it."""
    if error.reported or isinstance(error, RequestError | CallerLeft):
        return
    kind, fix = next(
        ((kind, fix) for class_, kind, fix in _KINDS if isinstance(error, class_)), ("request", "")
    )
    # An overloaded server has no time to read many ids.
    ids = task_ids(tasks, 1 if kind == "overload" else MAX_TASKS)
    fix, field = error.fix or fix, error.field
    groups.add(kind, error.message, fix=fix, field=field, code=error.code, project=uid, tasks=ids)
    error.reported = True


def record_late(groups: ErrorGroups, uid: str, tasks: Sequence[bytes], cause: str, version: str) -> None:
    """Record tasks of a large request that had no result when the response had to be sent."""
    ids = task_ids(tasks, MAX_TASKS)
    code = DeadlineExceeded.code
    groups.add(
        "deadline",
        cause,
        fix=FIX_LATE,
        code=code,
        project=uid,
        version=version,
        tasks=ids,
        count=len(tasks),
    )


def _kind_of(cause: str, answer: Answer) -> tuple[Kind, str]:
    """Return the kind of the failure of a task, and what to do."""
    if not cause.startswith(INVALID):
        return "prediction", FIX_PREDICT
    fixes = [fix for problem, (fix, _) in answer.refused_for.items() if problem.rpartition(": ")[2] in cause]
    return "invalid_prediction", next(filter(None, fixes), "Correct what predict returns")


def _failed_tasks(tasks: Sequence[bytes], results: bytes) -> dict[str, list[bytes]]:
    """Return the tasks of an answer without prediction by cause."""
    failed: dict[str, list[bytes]] = {}
    for task, entry in zip(tasks, _entries.decode(results), strict=False):
        if bytes(entry).startswith(b'{"error":'):
            failed.setdefault(msgspec.json.decode(entry, type=_Failure).error, []).append(task)
    return failed
