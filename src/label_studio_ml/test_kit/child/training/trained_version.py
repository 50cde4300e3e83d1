"""A version that `fit` has made, loaded in the process of the training."""

from collections.abc import Mapping
from typing import Any

from label_studio_ml.errors import BackendError
from label_studio_ml.test_kit.child.predict_calls import by_task
from label_studio_ml.test_kit.child.tested_class import TestedClass
from label_studio_ml.test_kit.child.trainings import VERSION
from label_studio_ml.versions.state.key_values import MemoryState


class TrainedVersion:
    """The version with what `fit` returned (`output`) and stored (`state`)."""

    def __init__(self, tested: TestedClass, output: Mapping[str, Any], state: Mapping[str, str]) -> None:
        self._tested = tested
        self._output, self._state = {**output, "job_id": VERSION}, {**tested.plan.state, **state}

    def predictions(self) -> list[Any] | None:
        """Return what a new model of the version predicts for each sample task; None if it cannot be built."""
        tested, state = self._tested, MemoryState(self._state)
        try:
            model = tested.build(version=VERSION, train_output=self._output, state=state)
        except BackendError:
            return None  # the check fit-reload says so
        return by_task(model, tested.plan.tasks)
