"""Base classes of the oldest model files: a task becomes an `X` and a `y`, and arrays become predictions.

They work as before. A new model is shorter with `LabelStudioMLBase` alone.
"""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.utils import get_single_tag_keys


class LabelStudioMLBaseHelper(LabelStudioMLBase):
    """A model whose `predict` and `fit` are made of four steps.

    A class overrides them: `prepare_tasks`, `predict2`, `convert_predictions`, `fit2`.
    """

    @abstractmethod
    def prepare_tasks(self, tasks: Any, workdir: str | None = None, **kwargs: Any) -> tuple[Any, Any]:
        """Return `(X, y)` for tasks; `y` holds None for a task without annotation."""

    @abstractmethod
    def convert_predictions(self, predictions: Any, **kwargs: Any) -> Any:
        """Return what `predict2` returned as predictions in Label Studio's format."""

    @abstractmethod
    def predict2(self, X: Any, y: Any = None, **kwargs: Any) -> Any:  # noqa: N803 (the older name)
        """Return the model's output for `X`."""

    @abstractmethod
    def fit2(self, X: Any, y: Any, **kwargs: Any) -> Any:  # noqa: N803
        """Train, and return the dict that comes back as `self.train_output`."""

    def predict(self, tasks: list[dict[str, Any]], context: Any = None, **kwargs: Any) -> Any:
        """Return the predictions of `predict2`, converted."""
        inputs, answers = self.prepare_tasks(tasks, **kwargs)
        return self.convert_predictions(self.predict2(inputs, answers, **kwargs), **kwargs)

    def fit(self, completions: Any, workdir: str | None = None, **kwargs: Any) -> Any:  # type: ignore[override]
        """Train with `fit2` on what `prepare_tasks` makes of labelled tasks."""
        inputs, answers = self.prepare_tasks(completions, workdir=workdir, **kwargs)
        return self.fit2(inputs, answers, **kwargs)

    def _has_annotation(self, task: Mapping[str, Any]) -> bool:
        return bool(task.get("annotations") or task.get("completions"))


class LabelStudioMLChoices(LabelStudioMLBaseHelper):
    """A classifier for a label config with one Choices tag on one object tag.

    `X` holds the task field of each task, `y` the list of its choices; `predict2` returns lists of choices and scores.
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
        """Return the task fields, and the choices of the first annotation of each task."""
        inputs: list[Any] = []
        answers: list[Any] = []
        for task in tasks:
            inputs.append(task["data"][self.value])
            annotations = task.get("annotations") or task.get("completions") or []
            results = annotations[0].get("result", []) if annotations else []
            answers.append(results[0]["value"]["choices"] if results else None)
        return inputs, answers

    def convert_predictions(self, predictions: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """Return lists of choices and scores as predictions."""
        choices, scores = predictions
        return [
            {"result": [self._region(chosen)], "score": score}
            for chosen, score in zip(choices, scores, strict=True)
        ]

    def _region(self, chosen: Any) -> dict[str, Any]:
        value = {"choices": chosen}
        return {"from_name": self.from_name, "to_name": self.to_name, "type": "choices", "value": value}
