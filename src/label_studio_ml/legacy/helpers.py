"""Base classes of the oldest model files, which convert tasks to `X` and `y`, and model output to predictions.

They are kept for existing model files. A new model is shorter with `LabelStudioMLBase` alone.
"""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.utils import get_single_tag_keys


class LabelStudioMLBaseHelper(LabelStudioMLBase):
    """A model whose `predict` and `fit` consist of four steps.

    Subclasses override `prepare_tasks`, `predict2`, `convert_predictions` and `fit2`.
    """

    @abstractmethod
    def prepare_tasks(self, tasks: Any, workdir: str | None = None, **kwargs: Any) -> tuple[Any, Any]:
        """Return `(X, y)` for `tasks`; the element of `y` is None for a task without annotation."""

    @abstractmethod
    def convert_predictions(self, predictions: Any, **kwargs: Any) -> Any:
        """Convert the output of `predict2` to predictions in Label Studio's format."""

    @abstractmethod
    def predict2(self, X: Any, y: Any = None, **kwargs: Any) -> Any:  # noqa: N803 (the older name)
        """Return the model's output for `X`."""

    @abstractmethod
    def fit2(self, X: Any, y: Any, **kwargs: Any) -> Any:  # noqa: N803
        """Train the model; return the dict for `self.train_output`."""

    def predict(self, tasks: list[dict[str, Any]], context: Any = None, **kwargs: Any) -> Any:
        """Return the converted output of `predict2` for `tasks`."""
        inputs, answers = self.prepare_tasks(tasks, **kwargs)
        return self.convert_predictions(self.predict2(inputs, answers, **kwargs), **kwargs)

    def fit(self, completions: Any, workdir: str | None = None, **kwargs: Any) -> Any:  # type: ignore[override]
        """Train with `fit2` on the output of `prepare_tasks` for the labelled tasks `completions`."""
        inputs, answers = self.prepare_tasks(completions, workdir=workdir, **kwargs)
        return self.fit2(inputs, answers, **kwargs)

    def _has_annotation(self, task: Mapping[str, Any]) -> bool:
        return bool(task.get("annotations") or task.get("completions"))


class LabelStudioMLChoices(LabelStudioMLBaseHelper):
    """A classifier for a label config with one Choices tag on one object tag.

    `X` holds the labelled data field of each task, `y` its list of choices. `predict2` returns two lists: of choices
    and of scores.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.info: dict[str, Any] = next(iter(self.parsed_label_config.values()), {})
        objects = [source["type"] for source in self.info.get("inputs", [])] or ["Text"]
        self.from_name, self.to_name, self.value, _ = get_single_tag_keys(
            self.parsed_label_config, "Choices", objects[0]
        )

    def prepare_tasks(
        self, tasks: Iterable[Mapping[str, Any]], workdir: str | None = None, **kwargs: Any
    ) -> tuple[list[Any], list[Any]]:
        """Return the labelled data field of each task, and the choices in its first annotation (None without one)."""
        inputs: list[Any] = []
        answers: list[Any] = []
        for task in tasks:
            inputs.append(task["data"][self.value])
            annotations = task.get("annotations") or task.get("completions") or []
            results = annotations[0].get("result", []) if annotations else []
            answers.append(results[0]["value"]["choices"] if results else None)
        return inputs, answers

    def convert_predictions(self, predictions: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """Convert a pair of lists, choices and scores, to predictions."""
        choices, scores = predictions
        return [
            {"result": [self._region(chosen)], "score": score}
            for chosen, score in zip(choices, scores, strict=True)
        ]

    def _region(self, chosen: Any) -> dict[str, Any]:
        value = {"choices": chosen}
        return {"from_name": self.from_name, "to_name": self.to_name, "type": "choices", "value": value}
