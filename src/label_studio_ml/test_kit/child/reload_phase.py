"""A version that `fit` has made, loaded in a new process: what it predicts, and which of its files it reads."""

from collections.abc import Iterator
from pathlib import Path

from label_studio_ml.test_kit.child.failure_texts import is_unexplained
from label_studio_ml.test_kit.child.predict_calls import ask, by_task
from label_studio_ml.test_kit.child.predict_phase import Run, building, loading
from label_studio_ml.test_kit.child.tested_class import TestedClass
from label_studio_ml.test_kit.report import Failure


class ReloadPhase:
    """Loads the version of the plan. The command compares its predictions with those of other processes."""

    def __init__(self, tested: TestedClass) -> None:
        self._tested = tested

    def checks(self) -> dict[str, Run]:
        """Return what runs each check."""
        return {
            "import": lambda: loading(self._tested),
            "build": lambda: building(self._tested),
            "fit-reload": self.reload,
        }

    def reload(self) -> Iterator[Failure]:
        """Predict the sample tasks; fail if that raises."""
        tested = self._tested
        errors = [ask(tested.model, [task], tested.effects).error for task in tested.plan.tasks]
        is_wrong = all(errors) or any(
            error is not None and is_unexplained(tested.code, error) for error in errors
        )
        error = next((error for error in errors if error is not None), None)
        if error is not None and is_wrong:
            yield tested.raised(
                "fit-reload", error, "predict of the trained version raises:", field="train_output"
            )
            return
        folder = Path(tested.plan.workdir)
        tested.values["predictions"] = by_task(tested.model, tested.plan.tasks, tested.effects)
        tested.values["files_read"] = sum(Path(path).is_relative_to(folder) for path in tested.effects.read)
