"""Checks with tasks whose data are empty, missing, of another type, unreadable, hostile or huge."""

from collections.abc import Iterator
from typing import Any

from label_studio_ml.controls import Controls
from label_studio_ml.test_kit.bad_values import BAD_VALUES, FILE_TAGS, HOSTILE_TEXTS, TEXT_TAGS
from label_studio_ml.test_kit.child.answer_checks import new_findings
from label_studio_ml.test_kit.child.failure_texts import is_unexplained
from label_studio_ml.test_kit.child.predict_calls import (
    Json,
    ask,
    comparable_or_error,
    first_unlike,
)
from label_studio_ml.test_kit.child.tested_class import TestedClass
from label_studio_ml.test_kit.report import Failure
from label_studio_ml.validation.strict_checks import StrictChecks

#: Id of the first bad task.
_FIRST_ID = 9001
#: The most failures of one check.
_MOST = 3


class BadData:
    """Bad values for each field that the label config shows, alone and between two good tasks."""

    def __init__(self, tested: TestedClass) -> None:
        self._tested = tested
        self._good = tested.plan.tasks[0]
        self._checks = StrictChecks(tested.plan.label_config)
        controls = Controls(tested.plan.label_config)
        self._tags = {item.field: item.tag for item in controls.objects if item.field}
        self._next_id = _FIRST_ID

    def try_values(self, check: str) -> Iterator[Failure]:
        """Fail for bad values of the check's kind that cost more than their own prediction, or are not explained."""
        failures = 0
        for field, name, task in self._tasks(check):
            for failure in self._tried(check, field, name, task):
                failures += 1
                yield failure
            if failures >= _MOST:
                return

    def _tasks(self, check: str) -> Iterator[tuple[str, str, Json]]:
        """Yield field, a name of what is bad, and the task."""
        for field in self._tested.fields:
            tag = self._tags.get(field, "")
            if check == "missing-data":
                yield field, "no value", self._without(field)
            for name, value in self._values(check, tag).items():
                yield field, f"the value {name!r}", self._with(field, value)

    def _values(self, check: str, tag: str) -> dict[str, Any]:
        if check == "hostile-text":
            return HOSTILE_TEXTS if tag in TEXT_TAGS else {}
        if check == "unreadable-file" and tag not in FILE_TAGS:
            return {}
        if check == "huge-data" and tag not in TEXT_TAGS:
            return self._long_list(tag)
        return BAD_VALUES.get(check, {})

    def _long_list(self, tag: str) -> dict[str, Any]:
        """Return a long value of the kind of the sample's, if that is a list."""
        for field, other in self._tags.items():
            value = self._good["data"].get(field)
            if other == tag and isinstance(value, list) and value and tag != "List":
                return {"long list": value * (2000 // len(value) + 1)}
        return {}

    def _with(self, field: str, value: Any) -> Json:
        self._next_id += 1
        return {**self._good, "id": self._next_id, "data": {**self._good["data"], field: value}}

    def _without(self, field: str) -> Json:
        task = self._with(field, None)
        del task["data"][field]
        return task

    def _tried(self, check: str, field: str, name: str, task: Json) -> Iterator[Failure]:
        tested = self._tested
        answer = ask(tested.model, [task], tested.effects)
        what = f"for a task with {name} in {field!r}"
        if answer.error is not None and is_unexplained(tested.code, answer.error):
            yield tested.raised(check, answer.error, f"{what}, predict raises", field=field, task=task)
            return
        if answer.wrong_count:
            yield tested.failure(check, f"{what}: {answer.wrong_count}", field=field, task=task)
            return
        for entry in answer.raw[:1] if answer.error is None else ():
            for finding in new_findings(tested, self._checks, entry, task)[:1]:
                yield tested.failure(
                    check, f"{what}, the prediction cannot be shown: {finding}", field=field, task=task
                )
                return
        if not tested.failed.intersection(("order", "batch")):  # else neighbours change predictions anyway
            yield from self._neighbours(check, what, field, task)

    def _neighbours(self, check: str, what: str, field: str, task: Json) -> Iterator[Failure]:
        """Fail if good tasks are predicted otherwise beside or after the bad one.

        A batch that raises is asked again task by task, as the server does.
        """
        tested = self._tested
        alone = comparable_or_error(ask(tested.model, [self._good], tested.effects))
        answer = ask(tested.model, [self._good, task, self._good], tested.effects)
        if not answer.is_right or isinstance(alone, str):
            found = comparable_or_error(ask(tested.model, [self._good], tested.effects))
        else:
            batch = comparable_or_error(answer)
            found = batch if isinstance(batch, str) else [batch[0]]
            if not isinstance(batch, str) and first_unlike([batch[0]], [batch[2]]):
                yield tested.failure(
                    check, f"{what}, the good task after it is predicted otherwise", field=field, task=task
                )
                return
        if isinstance(found, str) != isinstance(alone, str):
            yield tested.failure(
                check, f"{what}, good tasks beside it get no prediction: {found}", field=field, task=task
            )
        elif not isinstance(found, str) and not isinstance(alone, str) and first_unlike(alone, found):
            yield tested.failure(
                check, f"{what}, a good task beside it is predicted otherwise", field=field, task=task
            )
