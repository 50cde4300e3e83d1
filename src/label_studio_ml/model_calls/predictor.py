"""Call the `predict` of one loaded model such that every task of every request gets exactly one entry."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from label_studio_ml.config.setting_values import InvalidPredictions
from label_studio_ml.errors import BackendError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_calls.adapter import (
    ModelSpec,
    call_predict,
    call_prewarm,
    reason,
    renamed,
    version_name,
)
from label_studio_ml.model_calls.prediction_checks import PredictionChecks, Refused, Tally
from label_studio_ml.processes.forked_children import UserCode
from label_studio_ml.protocol.prediction_json import (
    InvalidPrediction,
    describe,
    encode,
    encode_all,
    encode_failure,
    is_nothing,
    listed,
)
from label_studio_ml.support.texts import plural

logger = logging.getLogger(__name__)


#: Checks that accept every prediction.
_NO_CHECKS = PredictionChecks(None, InvalidPredictions.SEND)


class Request(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The tasks (a JSON array) and params (a JSON object) of one `/predict`, undecoded.

    `id` is the request's id for log records; empty if they do not show it. With `prewarm`, the tasks are to be prepared
    by the class's `prewarm`, and get no prediction.
    """

    tasks: bytes
    params: bytes
    interactive: bool = False
    id: str = ""
    prewarm: bool = False


class Answer(msgspec.Struct, frozen=True, gc=False):
    """The entries for one request as a JSON array, or the reason why there are none.

    `error` is set instead of `results` if `predict` raised and no task could be answered, if an interactive request has
    no prediction that can be sent, or if the request itself is faulty (`invalid`). The array is empty if `predict`
    returned nothing for every task. `failed` counts the tasks without prediction. `refused` counts predictions
    that Label Studio cannot show, in part or at all, by kind of problem, whether they are sent or not; `repaired` those
    that were changed. `refused_for` has what to do about each kind, and the ids of the first tasks with it. `version`
    is the name that `predict` has given the version, else empty.
    """

    results: bytes = b""
    error: str = ""
    invalid: bool = False
    failed: int = 0
    version: str = ""
    refused: dict[str, int] = {}
    repaired: int = 0
    refused_for: dict[str, tuple[str, list[str]]] = {}


class _Raised(InvalidPrediction):
    """`predict` raised an exception."""


class _Nothing(InvalidPrediction):
    """`predict` returned no prediction. This is no failure if it returns none for all tasks of a request."""


class Predictor:
    """A loaded model and the name of the version it is served under. Not thread-safe.

    `mode` says what happens to predictions that Label Studio cannot show; by default they are refused: their tasks get
    an entry with `error`, since Label Studio would store them and show an empty task. The answer to an interactive
    request whose context has an `event` is not checked: such requests come from custom code in the page, which defines
    its own format, and Label Studio does not store it.
    """

    def __init__(
        self,
        model: LabelStudioMLBase,
        spec: ModelSpec,
        *,
        mode: InvalidPredictions = InvalidPredictions.REFUSE,
    ) -> None:
        self.model = model
        self.version = version_name(model, spec)
        self._checks = PredictionChecks(spec.project.label_config, mode)
        self._logged: set[str] = set()
        self._one_request_per_call = False
        self._one_task_per_call = False
        #: Whether predict returned nothing for several tasks, nor for each of them alone.
        self._returns_nothing = False

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """Answer requests with equal params, in one call if the model supports that; return answers in their order."""
        if requests[0].prewarm:
            return [self._prewarm(request) for request in requests]
        answers: dict[int, Answer] = {}
        decoded: dict[int, list[dict[str, Any]]] = {}
        params: dict[str, Any] = {}
        for position, request in enumerate(requests):
            try:
                decoded[position] = msgspec.json.decode(request.tasks)
                params = msgspec.json.decode(request.params)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                decoded.pop(position, None)
                answers[position] = Answer(error=f"tasks are not JSON: {error}", invalid=True)
        event = _has_event(params)  # evaluated before user code can change the params
        combined = (
            None
            if self._one_request_per_call and len(decoded) > 1
            else self._predict_all([*decoded.values()], params)
        )
        wrong_count = isinstance(combined, InvalidPrediction) and not isinstance(combined, _Raised | _Nothing)
        returns_nothing = isinstance(combined, _Nothing)
        start = 0
        for position, tasks in decoded.items():
            interactive = requests[position].interactive
            entries: list[Any] | InvalidPrediction
            if isinstance(combined, list):
                entries = combined[start : start + len(tasks)]
                start += len(tasks)
            elif combined is not None and (len(decoded) == 1 or (returns_nothing and self._returns_nothing)):
                entries = self._per_task(combined, tasks, params)
            else:
                own_entries = self._predict_all([tasks], params)
                wrong_count = wrong_count and isinstance(own_entries, list)
                entries = self._per_task(own_entries, tasks, params)
            returns_nothing = returns_nothing and isinstance(entries, _Nothing)
            checks = _NO_CHECKS if interactive and event else self._checks
            answers[position] = self._finish(entries, tasks, checks, interactive=interactive)
        self._returns_nothing = self._returns_nothing or (returns_nothing and len(decoded) > 1)
        if wrong_count and len(decoded) > 1:
            self._one_request_per_call = True
            logger.warning(
                "predict does not accept the tasks of several requests: from now on it is called for each request alone"
            )
        name = renamed(self.model)
        return [
            msgspec.structs.replace(answers[position], version=name) if name else answers[position]
            for position in range(len(requests))
        ]

    def _prewarm(self, request: Request) -> Answer:
        """Let the model prepare the tasks of a request. The results are empty; `error` says why that failed."""
        try:
            for task in msgspec.json.decode(request.tasks):
                call_prewarm(self.model, task)
        except BaseException as error:  # noqa: BLE001 (user code may raise anything, SystemExit too)
            cause = reason(error)
            self._log_failure(cause, 1, error, method="prewarm")
            return Answer(error=cause)
        return Answer(results=b"[]")

    def _predict_all(
        self, requests: list[list[dict[str, Any]]], params: dict[str, Any]
    ) -> list[Any] | InvalidPrediction:
        """Return one prediction per task of all requests, or the failure."""
        tasks = [task for request in requests for task in request]
        if self._one_task_per_call and len(tasks) > 1:
            return [self._predict_one(task, params) for task in tasks]
        return self._try(tasks, params)

    def _per_task(
        self, entries: list[Any] | InvalidPrediction, tasks: list[dict[str, Any]], params: dict[str, Any]
    ) -> list[Any] | InvalidPrediction:
        """Return `entries`; if they are a failure, call `predict` for each task alone, and adapt later calls to it."""
        if isinstance(entries, list) or len(tasks) == 1:
            return entries
        if isinstance(entries, _Nothing) and self._returns_nothing:
            return entries
        per_task = [self._predict_one(task, params) for task in tasks]
        self._returns_nothing = all(isinstance(entry, _Nothing) for entry in per_task)
        if not isinstance(entries, _Raised) and not any(
            isinstance(entry, InvalidPrediction) for entry in per_task
        ):
            self._one_task_per_call = True
            logger.warning(
                "predict does not accept several tasks: from now on it is called for each task alone"
            )
        return per_task

    def _try(self, tasks: list[dict[str, Any]], params: dict[str, Any]) -> list[Any] | InvalidPrediction:
        """Return one prediction per task; a failure if the model raises or returns another number of predictions."""
        if not tasks:
            return []
        try:
            # User code gets copies, because it may change them.
            returned = call_predict(self.model, list(tasks), dict(params))
            self.version = renamed(self.model) or self.version
            with UserCode():  # a returned generator runs user code
                entries = listed(returned, len(tasks))
            cause = describe(returned, len(tasks)) if entries is None else ""
        except BaseException as error:  # noqa: BLE001 (user code may raise anything, SystemExit too)
            cause = reason(error)
            self._log_failure(cause, len(tasks), error)
            return _Raised(cause)
        if entries is not None:
            return [_Raised(reason(entry)) if isinstance(entry, Exception) else entry for entry in entries]
        if is_nothing(returned):
            return _Nothing(cause)
        self._log_failure(cause, len(tasks))
        return InvalidPrediction(cause)

    def _predict_one(self, task: dict[str, Any], params: dict[str, Any]) -> Any:
        """Return the prediction for one task, or the failure in its place."""
        entries = self._try([task], params)
        return entries if isinstance(entries, InvalidPrediction) else entries[0]

    def _finish(
        self,
        entries: list[Any] | InvalidPrediction,
        tasks: list[dict[str, Any]],
        checks: PredictionChecks,
        *,
        interactive: bool,
    ) -> Answer:
        """Return the Answer with one encoded entry per task: a prediction, or an error with its cause."""
        all_entries = [entries] if isinstance(entries, InvalidPrediction) else entries
        if all_entries and all(isinstance(entry, _Nothing) for entry in all_entries):
            return Answer(results=b"[]")
        body = encode_all(all_entries, self.version) if all_entries is entries else None
        if body is not None and checks.pass_quickly(all_entries, tasks, interactive=interactive):
            return Answer(results=body)
        encoded: list[bytes] = []
        failures: list[InvalidPrediction] = []
        tally = Tally()
        for number, task in enumerate(tasks):
            try:
                entry = entries if isinstance(entries, InvalidPrediction) else entries[number]
                if isinstance(entry, InvalidPrediction):
                    raise entry
                body = encode(entry, self.version, interactive=interactive)
                encoded.append(checks.apply(body, task, tally, interactive=interactive))
            except Exception as error:  # noqa: BLE001 (accessing an object from user code may raise anything)
                failure = error if isinstance(error, InvalidPrediction) else InvalidPrediction(reason(error))
                failures.append(failure)
                encoded.append(encode_failure(str(failure), self.version))
                if not isinstance(failure, Refused):
                    logger.error("Task %s has no prediction: %s", task.get("id"), failure)
        counted = Answer(
            failed=len(failures), refused=tally.kinds, repaired=tally.repaired, refused_for=tally.details
        )
        if failures and len(failures) == len(tasks):
            raised = next((failure for failure in failures if isinstance(failure, _Raised)), None)
            if interactive or raised is not None:
                return msgspec.structs.replace(counted, error=str(raised or failures[0]))
        return msgspec.structs.replace(counted, results=b"[" + b",".join(encoded) + b"]")

    def _log_failure(
        self, cause: str, count: int, error: BaseException | None = None, *, method: str = "predict"
    ) -> None:
        """Log a failed call of `predict` or another `method`; each cause gets a traceback the first time.

        An error of this package, such as for a file that cannot be fetched, gets none: its text says what to do.
        """
        is_first = cause not in self._logged
        if len(self._logged) < 100:
            self._logged.add(cause)
        next_step = ": it is called again for each task alone" if count > 1 else ""
        logger.warning(
            "%s of %s failed: %s%s",
            method,
            plural(count, "task"),
            cause,
            next_step,
            exc_info=error if is_first and not isinstance(error, BackendError) else None,
        )


def _has_event(params: Mapping[str, Any]) -> bool:
    """Tell whether the context of a request has an `event`; contexts from Label Studio's own tools have none."""
    context = params.get("context")
    return isinstance(context, Mapping) and bool(context.get("event"))
