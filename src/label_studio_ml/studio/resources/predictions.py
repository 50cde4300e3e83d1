"""Stored predictions in Label Studio's API, and the versions that made them."""

from collections.abc import Mapping, Sequence
from typing import Any

from label_studio_ml.errors import Unsure
from label_studio_ml.studio.resources.answer_forms import Numbered
from label_studio_ml.studio.transport.api_client import ApiClient, Json


class PredictionResource:
    """Reads, stores and deletes predictions. For the exceptions see ApiClient."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    def of_task(self, task_id: int) -> list[Json]:
        """Return the predictions of a task, oldest first."""
        predictions = self._api.json_list(
            "GET", "/api/predictions/", form=Numbered, params={"task": str(task_id)}
        )
        return sorted(predictions, key=lambda prediction: int(prediction["id"]))

    def add(self, project: int, predictions: Sequence[Mapping[str, Any]]) -> int:
        """Store predictions (`task`, `result`, `score`, `model_version`) and return how many were stored.

        Label Studio stores all predictions that fit the label config in one transaction and skips the others without
        an error. Raises StudioRefusedError with status 400 when it stores none because of an invalid one, and Unsure
        when the outcome is not known.
        """
        body = [dict(prediction) for prediction in predictions]
        answer = self._api.json_object("POST", f"/api/projects/{project}/import/predictions", json=body)
        try:
            return int(answer["created"])
        except (ValueError, KeyError, TypeError):
            raise Unsure("Label Studio did not say how many predictions it stored") from None

    def delete(self, prediction_id: int) -> None:
        """Delete one prediction."""
        self._api.call("DELETE", f"/api/predictions/{prediction_id}/")

    def versions(self, project: int) -> dict[str, int]:
        """Return the number of predictions in the project by version."""
        counts = self._api.json_object("GET", f"/api/projects/{project}/model-versions/", form=dict[str, int])
        return {str(name): int(count) for name, count in counts.items()}

    def delete_version(self, project: int, version: str) -> None:
        """Delete all predictions of one version."""
        path = f"/api/projects/{project}/model-versions/"
        self._api.call("DELETE", path, json={"model_version": version})
