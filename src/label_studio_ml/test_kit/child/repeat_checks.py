"""Checks that compare predictions of several calls: repeated, one by one, in another order, at once, of two models."""

from collections.abc import Iterator
from typing import Any

from label_studio_ml.errors import BackendError
from label_studio_ml.protocol.prediction_differences import is_permutation
from label_studio_ml.support.texts import plural
from label_studio_ml.test_kit.child.answer_checks import AnswerChecks, problem_of
from label_studio_ml.test_kit.child.failure_texts import is_unexplained
from label_studio_ml.test_kit.child.predict_calls import (
    Answer,
    Json,
    ask,
    comparable_or_error,
    first_unlike,
)
from label_studio_ml.test_kit.child.requests.overlapping_calls import overlapping_calls
from label_studio_ml.test_kit.child.tested_class import OTHER_PROJECT, TestedClass
from label_studio_ml.test_kit.report import Failure
from label_studio_ml.test_kit.trial_data.config_variants import other_project, with_further_tags
from label_studio_ml.validation.strict_checks import StrictChecks


class RepeatChecks:
    """Comparisons with the answer to the sample tasks in one batch."""

    def __init__(self, tested: TestedClass, first: AnswerChecks) -> None:
        self._tested = tested
        self._first = first

    @property
    def _tasks(self) -> list[Json]:
        return self._first.tasks

    @property
    def _batch(self) -> list[Any]:
        predictions = comparable_or_error(self._first.answer)
        return predictions if isinstance(predictions, list) else []

    def _again(self, tasks: list[Any] | None = None) -> list[Any] | str:
        return comparable_or_error(ask(self._tested.model, tasks or self._tasks, self._tested.effects))

    def _unlike(
        self, check: str, situation: str, left: list[Any], right: list[Any] | str
    ) -> Iterator[Failure]:
        """Fail if the predictions differ, at the first task where they do."""
        if isinstance(right, str):
            yield self._tested.failure(check, f"{situation}: {right}", field="predictions")
            return
        unlike = first_unlike(left, right)
        if unlike is not None:
            number, where = unlike
            yield self._tested.failure(
                check, f"{situation}: {where} differs", field=where, task=self._tasks[number]
            )

    def repeat(self) -> Iterator[Failure]:
        """Fail if a second call with the same tasks gives other predictions."""
        for which in ("second", "third"):
            failures = list(
                self._unlike("repeat", f"the {which} call with the same tasks", self._batch, self._again())
            )
            if failures:
                yield from failures
                return

    def _alone(self) -> list[Any] | str:
        alone = []
        for task in self._tasks:
            predictions = self._again([task])
            if isinstance(predictions, str):
                return f"for task {task.get('id')} alone, {predictions}"
            alone += predictions
        return alone

    def order(self) -> Iterator[Failure]:
        """Fail if the predictions of a batch are those of the tasks one by one, but in another order."""
        alone = self._alone()
        if isinstance(alone, str):
            return  # the check `batch` says so
        turned = self._again(self._tasks[::-1])
        for batch in (self._batch, turned[::-1] if isinstance(turned, list) else alone):
            unlike = first_unlike(alone, batch)
            if unlike is not None and is_permutation(alone, batch):
                yield self._tested.failure(
                    "order",
                    f"the predictions of {plural(len(self._tasks), 'task')} are not in the order of the tasks",
                    field="predictions",
                    task=self._tasks[unlike[0]],
                )
                return

    def batch(self) -> Iterator[Failure]:
        """Fail if a task gets other predictions alone, or in a batch in another order or of another size."""
        count = plural(len(self._tasks), "task")
        failures = list(
            self._unlike(
                "batch",
                f"the prediction of a task alone and in a batch of {count}",
                self._batch,
                self._alone(),
            )
        )
        if not failures:
            turned = self._again(self._tasks[::-1])
            turned = turned[::-1] if isinstance(turned, list) else turned
            failures = list(
                self._unlike("batch", f"the predictions of {count} in the reverse order", self._batch, turned)
            )
        yield from failures

    def concurrency(self) -> Iterator[Failure]:
        """Fail if calls at once, as many as the class allows, differ from calls one by one."""
        tested = self._tested
        at_once = tested.info.concurrency
        if at_once == 1:
            tested.values["skipped"] = "the class takes one call at a time (concurrency = 1)"
            return
        alone = self._alone()
        if isinstance(alone, str):
            yield tested.failure("concurrency", alone, field="predictions")
            return
        situation = f"with {plural(at_once, 'call')} at once"
        for number, answer in overlapping_calls(tested, self._tasks, at_once):
            predicted = comparable_or_error(answer)
            if isinstance(predicted, str):
                message = f"{situation}: {predicted}"
            elif unlike := first_unlike([alone[number]], predicted):
                message = f"{situation}, {unlike[1]} of a prediction differs"
            else:
                continue
            task = self._tasks[number]
            if answer.error is not None:
                yield tested.raised(
                    "concurrency",
                    answer.error,
                    f"{situation}, predict raises",
                    field="concurrency",
                    task=task,
                )
            else:
                yield tested.failure("concurrency", message, field="concurrency", task=task)
            return

    def two_projects(self) -> Iterator[Failure]:
        """Fail if a model for another label config gets names or labels of the first one, or changes its predictions.

        Both models are asked after both were built.
        """
        tested = self._tested
        config = other_project(tested.plan.label_config)
        try:
            other = tested.build(config, uid=OTHER_PROJECT)
        except BackendError as error:
            tested.values["skipped"] = f"the class takes no label config with other names: {error.message}"
            return
        answer = ask(tested.model, self._tasks, tested.effects)
        situation = "after a model for a project with other names and labels was built in the same process"
        failures = list(self._unlike("two-projects", situation, self._batch, comparable_or_error(answer)))
        second = ask(other, self._tasks, tested.effects)
        if not failures:
            answer = ask(tested.model, self._tasks, tested.effects)
            situation = (
                "after a model for a project with other names and labels has predicted in the same process"
            )
            failures = list(self._unlike("two-projects", situation, self._batch, comparable_or_error(answer)))
        yield from failures or self._second_answer(second, config)

    def _second_answer(self, answer: Answer, config: str) -> Iterator[Failure]:
        """Fail if the answer of the second project's model is not right for its label config."""
        tested = self._tested
        situation = "for a second project with other names and labels"
        if answer.error is not None:
            yield tested.raised(
                "two-projects", answer.error, f"{situation}, predict raises:", field="label_config"
            )
            return
        if answer.wrong_count:
            yield tested.failure("two-projects", f"{situation}: {answer.wrong_count}", field="predictions")
            return
        if not tested.holds("regions"):
            return  # they are wrong for each label config
        checks = StrictChecks(config)
        for task, entry in zip(self._tasks, answer.raw, strict=True):
            if problem := problem_of(tested, checks, entry, task):
                yield tested.failure(
                    "two-projects", f"{situation}, {problem.message}", field=problem.field, task=task
                )
                return

    def unknown_tags(self) -> Iterator[Failure]:
        """Fail if further tags in the label config break the constructor, or lead to invalid regions."""
        tested = self._tested
        config = with_further_tags(tested.plan.label_config)
        try:
            model = tested.build(config)
        except BackendError as error:
            cause = error.__cause__
            if cause is not None and is_unexplained(tested.code, cause) and not tested.code.refuses(cause):
                yield tested.raised(
                    "unknown-tags",
                    cause,
                    "no model can be built:",
                    field="label_config",
                    methods=("setup", "__init__"),
                )
            return
        answer = ask(model, self._tasks, tested.effects)
        if answer.error is not None:
            if is_unexplained(tested.code, answer.error):
                yield tested.raised("unknown-tags", answer.error, "predict raises:", field="label_config")
            return
        checks = StrictChecks(config)
        for task, entry in zip(self._tasks, answer.raw, strict=False):
            if problem := problem_of(tested, checks, entry, task):
                yield tested.failure("unknown-tags", problem.message, field=problem.field, task=task)
                return
