"""A version that `fit` has made, loaded in the process of the training."""

from collections.abc import Mapping
from typing import Any

from label_studio_ml.errors import BackendError
from label_studio_ml.model_calls.adapter import ModelSpec, build
from label_studio_ml.test_kit.child.predict_calls import by_task
from label_studio_ml.test_kit.child.tested_class import PROJECT, TestedClass
from label_studio_ml.test_kit.child.trainings import VERSION
from label_studio_ml.versions.state.key_values import MemoryState
from label_studio_ml.versions.state.project_state import Project


class TrainedVersion:
    """The version with what `fit` returned (`output`) and stored (`state`)."""

    def __init__(self, tested: TestedClass, output: Mapping[str, Any], state: Mapping[str, str]) -> None:
        self._tested = tested
        self._state = {**tested.plan.state, **state}
        self._spec = ModelSpec(
            project=Project(uid=PROJECT, label_config=tested.plan.label_config),
            version=VERSION,
            train_output={**output, "job_id": VERSION},
        )

    def predictions(self) -> list[Any] | None:
        """Return what a new model of the version predicts for each sample task; None if it cannot be built."""
        tested = self._tested
        try:
            model = build(tested.cls, self._spec, tested.settings, MemoryState(self._state))
        except BackendError:
            return None  # the check fit-reload says so
        return by_task(model, tested.plan.tasks)
