"""One live model answering: however its `predict` behaves, every task of every request gets exactly one entry."""

import logging
from collections.abc import Sequence
from typing import Any

import msgspec

from label_studio_ml.adapter import ModelSpec, ask, reason, renamed, version_name
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.predictions import (
    InvalidPrediction,
    describe,
    encode,
    encode_all,
    encode_failure,
    listed,
)
from label_studio_ml.texts import plural

logger = logging.getLogger(__name__)


class Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """The tasks (a JSON array) and params (a JSON object) of one `/predict`, as they came.

    `id` is the request's, for log records; empty where these do not show it.
    """

    tasks: bytes
    params: bytes
    interactive: bool = False
    id: str = ""


class Answer(msgspec.Struct, frozen=True):
    """The entries for one request as a JSON array; or why there are none.

    There are none where `predict` raised and no task could be answered, where an interactive request has no prediction,
    and where the request is to blame, not the model (`invalid`). `version` is the name that `predict` has given the
    version, if it has.
    """

    results: bytes = b""
    error: str = ""
    invalid: bool = False
    failed: int = 0
    version: str = ""


class _Raised(InvalidPrediction):
    """`predict` raised."""


class Predictor:
    """A built model and the name of the version it is served under. Not safe for use from several threads at once."""

    def __init__(self, model: LabelStudioMLBase, spec: ModelSpec) -> None:
        self.model = model
        self.version = version_name(model, spec)
        self._told: set[str] = set()
        self._apart = False
        self._singly = False

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """Answer requests that have equal params, together if the model can take them so, and in their order."""
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
        together = None if self._apart and len(decoded) > 1 else self._together([*decoded.values()], params)
        wrong_count = isinstance(together, InvalidPrediction) and not isinstance(together, _Raised)
        start = 0
        for position, tasks in decoded.items():
            entries: list[Any] | InvalidPrediction
            if isinstance(together, list):
                entries = together[start : start + len(tasks)]
                start += len(tasks)
            elif together is not None and len(decoded) == 1:
                entries = self._each(together, tasks, params)
            else:
                own = self._together([tasks], params)
                wrong_count = wrong_count and isinstance(own, list)
                entries = self._each(own, tasks, params)
            answers[position] = self._finish(entries, tasks, interactive=requests[position].interactive)
        if wrong_count and len(decoded) > 1:
            self._apart = True
            logger.warning(
                "predict does not take several requests together: from now on each is asked for alone"
            )
        name = renamed(self.model)
        return [
            msgspec.structs.replace(answers[position], version=name) if name else answers[position]
            for position in range(len(requests))
        ]

    def _together(
        self, requests: list[list[dict[str, Any]]], params: dict[str, Any]
    ) -> list[Any] | InvalidPrediction:
        """Return one prediction per task of all requests, or what went wrong."""
        tasks = [task for request in requests for task in request]
        if self._singly and len(tasks) > 1:
            return [self._alone(task, params) for task in tasks]
        return self._try(tasks, params)

    def _each(
        self, entries: list[Any] | InvalidPrediction, tasks: list[dict[str, Any]], params: dict[str, Any]
    ) -> list[Any] | InvalidPrediction:
        """Return `entries`; where the tasks have none together, ask for each alone, and learn from that."""
        if isinstance(entries, list) or len(tasks) == 1:
            return entries
        alone = [self._alone(task, params) for task in tasks]
        if not isinstance(entries, _Raised) and not any(isinstance(one, InvalidPrediction) for one in alone):
            self._singly = True
            logger.warning("predict does not take several tasks: from now on each is asked for alone")
        return alone

    def _try(self, tasks: list[dict[str, Any]], params: dict[str, Any]) -> list[Any] | InvalidPrediction:
        """Return one prediction per task; or, when the model does not give that many or raises, what went wrong."""
        if not tasks:
            return []
        try:
            returned = ask(self.model, list(tasks), dict(params))  # user code may empty the list
            self.version = renamed(self.model) or self.version
            entries = listed(returned, len(tasks))
            cause = describe(returned, len(tasks)) if entries is None else ""
        except BaseException as error:  # noqa: BLE001 (user code may raise anything, SystemExit too)
            cause = reason(error)
            self._tell(cause, len(tasks), error)
            return _Raised(cause)
        if entries is None:
            self._tell(cause, len(tasks))
            return InvalidPrediction(cause)
        return entries

    def _alone(self, task: dict[str, Any], params: dict[str, Any]) -> Any:
        """Return the prediction for one task, or the failure that stands in for it."""
        entries = self._try([task], params)
        return entries if isinstance(entries, InvalidPrediction) else entries[0]

    def _finish(
        self, entries: list[Any] | InvalidPrediction, tasks: list[dict[str, Any]], *, interactive: bool
    ) -> Answer:
        """Encode one entry per task; where there is none, its cause."""
        if isinstance(entries, list) and (body := encode_all(entries, self.version)) is not None:
            return Answer(results=body)
        encoded: list[bytes] = []
        failures: list[InvalidPrediction] = []
        for number, task in enumerate(tasks):
            try:
                entry = entries if isinstance(entries, InvalidPrediction) else entries[number]
                if isinstance(entry, InvalidPrediction):
                    raise entry
                encoded.append(encode(entry, self.version, interactive=interactive))
            except Exception as error:  # noqa: BLE001 (what predict returned may raise when it is looked at)
                failure = error if isinstance(error, InvalidPrediction) else InvalidPrediction(reason(error))
                failures.append(failure)
                encoded.append(encode_failure(str(failure), self.version))
                logger.error("Task %s has no prediction: %s", task.get("id"), failure)
        if failures and len(failures) == len(tasks):
            raised = next((failure for failure in failures if isinstance(failure, _Raised)), None)
            if interactive or raised is not None:
                return Answer(error=str(raised or failures[0]), failed=len(failures))
        return Answer(results=b"[" + b",".join(encoded) + b"]", failed=len(failures))

    def _tell(self, what: str, count: int, error: BaseException | None = None) -> None:
        """Log a failed call, with its traceback the first time."""
        first = what not in self._told
        if len(self._told) < 100:
            self._told.add(what)
        then = ": asking for each task alone" if count > 1 else ""
        logger.warning(
            "predict of %s failed: %s%s", plural(count, "task"), what, then, exc_info=error if first else None
        )
