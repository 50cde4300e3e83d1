"""`ModelResponse`: the predictions that a model's `predict` may return, with the name of the version.

Importing this module imports the Label Studio SDK, which is slow, so this package imports it only on use.
"""

from typing import Any, TypeAlias

from label_studio_sdk.label_interface.objects import PredictionValue
from pydantic import BaseModel, ConfigDict, field_validator

__all__ = ["ModelResponse", "PredictionValue", "SingleTaskPredictions"]

#: One prediction for a task, or a list of them.
SingleTaskPredictions: TypeAlias = list[PredictionValue] | PredictionValue


class ModelResponse(BaseModel):
    """The predictions for a list of tasks, in the order of the tasks.

    `predictions` has one element per task: a PredictionValue (or a dict, which is converted to one), or a list of them.
    PredictionValue objects are kept, not copied. `model_version` applies to all predictions without a version of their
    own; any value but None is converted to text. Unknown fields are ignored.

    Raises pydantic's ValidationError, a ValueError, if an element is not a prediction.
    """

    model_config = ConfigDict(protected_namespaces=(), extra="ignore")

    model_version: str | None = None
    predictions: list[SingleTaskPredictions]

    @field_validator("model_version", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> str | None:
        return None if value is None else str(value)

    def has_model_version(self) -> bool:
        """Return whether the response has a version name."""
        return bool(self.model_version)

    def update_predictions_version(self) -> None:
        """Set the response's version on each prediction without one."""
        for element in self.predictions:
            for prediction in element if isinstance(element, list) else [element]:
                if not prediction.model_version:
                    prediction.model_version = self.model_version

    def set_version(self, version: str) -> None:
        """Set `version` on the response, and on each prediction without a version."""
        self.model_version = str(version)
        self.update_predictions_version()
