"""Store predictions in Label Studio exactly once per task and version, also after crashes and timeouts."""

import json
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from label_studio_ml.errors import StudioRefusedError, Unsure
from label_studio_ml.projects.journal import Journal
from label_studio_ml.projects.project_api import ProjectApi
from label_studio_ml.studio.resources import task_filters
from label_studio_ml.studio.resources.task_filters import Filter
from label_studio_ml.studio.transport.api_client import Json

logger = logging.getLogger(__name__)

#: Seconds without a change after which a request without a response counts as ended.
SETTLE_TIME = 6.0
#: Seconds between two checks for stored predictions.
CHECK_INTERVAL = 1.0

#: A task's id and its predictions.
Ready = tuple[int, list[Json]]


class PredictionStore:
    """Stores predictions of one version in a project. Blocking; not thread-safe.

    `refused(task_id, cause)` is called for each task whose prediction Label Studio does not accept.
    """

    def __init__(
        self,
        api: ProjectApi,
        journal: Journal,
        version: str,
        label_config: str,
        refused: Callable[[int, str], None] = lambda task_id, cause: None,
        *,
        settle: float = SETTLE_TIME,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._api = api
        self._journal = journal
        self._version = version
        self._label_config = label_config
        self._refused = refused
        self._settle = settle
        self._sleep = sleep
        self._single: set[int] = set()

    def recover(self) -> None:
        """Wait until predictions that a killed run was sending are stored or given up."""
        if self._journal.sending:
            self._journal.doubt()
            self._wait_until_stored(self._journal.sending)
            self._journal.done()

    def store(self, ready: Sequence[Ready]) -> int:
        """Store the predictions of some tasks and return how many tasks have predictions now."""
        if not ready:
            return 0
        ids = [task_id for task_id, _ in ready]
        self._single.update(task_id for task_id, predictions in ready if len(predictions) == 1)
        self._journal.begin(ids)
        stored = self._send(ready)
        self._journal.done()
        return stored

    def reconcile(self, conditions: Sequence[Filter] = ()) -> int:
        """Delete duplicate predictions of this run's tasks and of tasks in doubt; return how many.

        Only tasks that meet the conditions are checked, and the journal is cleared. Duplicates come from a request
        that Label Studio finished after its sender was killed, or from a task that an annotator opened, and so had
        predicted, while this run was predicting it.
        """
        task_ids = self._single | self._journal.doubtful
        removed = 0
        several = task_filters.parse("total_predictions > 1")
        for task in self._api.all([*conditions, several, task_filters.versions("contains", self._version)]):
            task_id = int(task["id"])
            if task_id in task_ids:
                removed += self._deduplicate(task_id)
        self._journal.settle()
        return removed

    def _send(self, ready: Sequence[Ready]) -> int:
        body = [
            {"task": task_id, **_stored(one), "model_version": self._version}
            for task_id, predictions in ready
            for one in predictions
        ]
        remaining = list(ready)
        while remaining:
            try:
                if self._api.upload(body) == len(body):
                    return len(ready)
                stored_ids = self._api.having([task_id for task_id, _ in remaining], self._version)
                break
            except StudioRefusedError as error:
                if error.status != 400:
                    raise
                stored_ids = self._api.having([task_id for task_id, _ in remaining], self._version)
                return len(stored_ids) + self._send_halves(
                    [one for one in remaining if one[0] not in stored_ids], error.message
                )
            except Unsure as error:
                self._api.notify(error.message)
                self._journal.doubt()
                stored_ids = self._wait_until_stored([task_id for task_id, _ in remaining])
                remaining = [one for one in remaining if one[0] not in stored_ids]
                remaining_ids = {task_id for task_id, _ in remaining}
                body = [one for one in body if one["task"] in remaining_ids]
        refused = [one for one in remaining if one[0] not in stored_ids]
        for task_id, predictions in refused:
            self._refused(task_id, self._invalid(predictions))
        return len(ready) - len(refused)

    def _send_halves(self, ready: Sequence[Ready], cause: str) -> int:
        """Send the tasks in two halves, to find those because of which Label Studio refuses the whole request."""
        if len(ready) <= 1:
            for task_id, _ in ready:
                self._refused(task_id, cause)
            return 0
        middle = len(ready) // 2
        return self._send(ready[:middle]) + self._send(ready[middle:])

    def _wait_until_stored(self, task_ids: Sequence[int]) -> set[int]:
        """Return the tasks that have a prediction, once all do or their set has not changed for `settle` seconds."""
        stored_ids = self._api.having(task_ids, self._version)
        unchanged_seconds = 0.0
        while len(stored_ids) < len(set(task_ids)) and unchanged_seconds < self._settle:
            self._sleep(CHECK_INTERVAL)
            unchanged_seconds += CHECK_INTERVAL
            now = self._api.having(task_ids, self._version)
            if now != stored_ids:
                stored_ids, unchanged_seconds = now, 0.0
        return stored_ids

    def _deduplicate(self, task_id: int) -> int:
        seen_keys: set[str] = set()
        removed = 0
        for prediction in self._api.predictions(task_id):
            if prediction.get("model_version") != self._version:
                continue
            # A model may return several predictions for a task: then only identical ones are duplicates.
            key = "" if task_id in self._single else _content_key(prediction)
            if key in seen_keys:
                self._api.delete_prediction(int(prediction["id"]))
                removed += 1
            seen_keys.add(key)
        return removed

    def _invalid(self, predictions: Sequence[Json]) -> str:
        """Return why Label Studio skipped predictions: normally they do not fit the label config."""
        from label_studio_sdk.label_interface import LabelInterface

        try:
            interface = LabelInterface(self._label_config)
            for prediction in predictions:
                errors: Iterable[Any] = (
                    interface.validate_prediction(dict(prediction), return_errors=True) or []
                )
                for error in errors:
                    return f"the prediction does not fit the label config: {error}"
        except Exception as error:  # noqa: BLE001 (any error is the reason)
            return f"the prediction does not fit the label config: {error}"
        return "Label Studio did not store the prediction"


def _stored(prediction: Json) -> Json:
    """Return the fields of a prediction that Label Studio stores."""
    return {"result": prediction["result"], "score": prediction.get("score")}


def _content_key(prediction: Json) -> str:
    """Return a key that is the same for predictions that differ in the ids of regions only."""
    regions = [
        {name: value for name, value in region.items() if name != "id"} for region in prediction["result"]
    ]
    return json.dumps([regions, prediction.get("score")], sort_keys=True)
