"""What a model's `predict` may return: `ModelResponse`, predictions with the version that made them.

Importing this module imports the Label Studio SDK, so nothing else of this package imports it before it must.
"""

from typing import Any, TypeAlias

from label_studio_sdk.label_interface.objects import PredictionValue
from pydantic import BaseModel, ConfigDict, field_validator

__all__ = ["ModelResponse", "PredictionValue", "SingleTaskPredictions"]

#: One prediction for a task, or several.
SingleTaskPredictions: TypeAlias = list[PredictionValue] | PredictionValue


class ModelResponse(BaseModel):
    """The predictions for a list of tasks, in the order of the tasks.

    `predictions` has one element for each task: a PredictionValue (or a dict that is made into one), or a
    list of them. A PredictionValue stays the object it was. `model_version` is the version of all of them
    that name none; anything but None is kept as text. Names that are not fields are ignored.

    Raises pydantic's ValidationError, a ValueError, when an element is no prediction.
    """

    model_config = ConfigDict(protected_namespaces=(), extra="ignore")

    model_version: str | None = None
    predictions: list[SingleTaskPredictions]

    @field_validator("model_version", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> str | None:
        return None if value is None else str(value)

    def has_model_version(self) -> bool:
        """Return whether a version is named."""
        return bool(self.model_version)

    def update_predictions_version(self) -> None:
        """Give this response's version to each prediction that names none."""
        for element in self.predictions:
            for prediction in element if isinstance(element, list) else [element]:
                if not prediction.model_version:
                    prediction.model_version = self.model_version

    def set_version(self, version: str) -> None:
        """Make `version` this response's version, and that of each prediction that names none."""
        self.model_version = str(version)
        self.update_predictions_version()
