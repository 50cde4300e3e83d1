"""A version that `fit` has made, loaded in the process of the training."""

from collections.abc import Iterator, Mapping
from typing import Any

from label_studio_ml.errors import BackendError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.test_kit.check_catalogue import CHECKS
from label_studio_ml.test_kit.child.answer_checks import problem_of
from label_studio_ml.test_kit.child.predict_calls import ask, by_task
from label_studio_ml.test_kit.child.tested_class import TestedClass
from label_studio_ml.test_kit.child.trainings import VERSION
from label_studio_ml.test_kit.report import Failure
from label_studio_ml.validation.strict_checks import StrictChecks
from label_studio_ml.versions.state.key_values import MemoryState


class TrainedVersion:
    """The version with what `fit` returned (`output`) and stored (`state`)."""

    def __init__(self, tested: TestedClass, output: Mapping[str, Any], state: Mapping[str, str]) -> None:
        self._tested = tested
        self._output, self._state = {**output, "job_id": VERSION}, {**tested.plan.state, **state}

    def predictions(self) -> list[Any] | None:
        """Return what a new model of the version predicts for each sample task; None if it cannot be built."""
        model = self._model()
        return None if model is None else by_task(model, self._tested.plan.tasks)

    def unshown(self) -> Iterator[Failure]:
        """Fail for the first prediction that cannot be sent or shown: the untrained model may have returned none.

        Problems that checks of the untrained model have reported are left out.
        """
        tested, model = self._tested, self._model()
        if model is None:
            return
        checks = StrictChecks(tested.plan.label_config)
        for task in tested.plan.tasks:
            answer = ask(model, [task])
            if answer.wrong_count and tested.holds("count"):
                what, fix = f"after a training, {answer.wrong_count}", CHECKS["count"].fix
                yield tested.failure("fit-regions", what, field="predictions", task=task, fix=fix)
                return
            for entry in answer.raw if answer.is_right else ():
                if problem := problem_of(tested, checks, entry, task):
                    what = f"after a training, {problem.message}"
                    yield tested.failure("fit-regions", what, field=problem.field, task=task, fix=problem.fix)
                    return

    def _model(self) -> LabelStudioMLBase | None:
        """Return a new model of the version; None if it cannot be built, which the check fit-reload says."""
        try:
            return self._tested.build(
                version=VERSION, train_output=self._output, state=MemoryState(self._state)
            )
        except BackendError:
            return None
