"""A made-up project, and the bodies of Label Studio's calls for it, in the form that Label Studio 1.23 sends."""

import uuid
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from label_studio_ml.controls.collection import controls_of
from label_studio_ml.protocol.label_config import parse_label_config

Json = dict[str, Any]

#: Ids of the made-up projects: the largest ones of Label Studio's database, which no real project has.
FIRST_ID, SECOND_ID = 2_147_483_601, 2_147_483_602

#: When the made-up projects were created. Label Studio's uid of a project contains this as whole seconds.
_CREATED_AT, _CREATED_SECONDS = "2026-11-23T11:44:18.989977Z", 1795434258

#: What is sent in place of Label Studio's token: no Label Studio accepts it.
NO_TOKEN = "0" * 40

#: Fields of a task that are the same in all calls, in the order of the calls.
_COUNTS: Json = {"comment_count": 0, "unresolved_comment_count": 0, "last_comment_updated_at": None}


@dataclass(frozen=True)
class SampleProject:
    """A project with tasks: `data` has the `data` of each. `hostname` is the address that stands for Label Studio's."""

    number: int
    label_config: str
    data: tuple[Json, ...]
    hostname: str

    @property
    def uid(self) -> str:
        """The project in `/setup` and `/predict`."""
        return f"{self.number}.{_CREATED_SECONDS}"

    def setup(self, extra_params: Any = None) -> Json:
        """Return the body of a `/setup`. `extra_params` is None, text as from Label Studio's form, or a JSON value."""
        return {
            "project": self.uid,
            "schema": self.label_config,
            "hostname": self.hostname,
            "access_token": NO_TOKEN,
            "extra_params": extra_params,
        }

    def predict(self, tasks: Sequence[Json]) -> Json:
        """Return the body of a `/predict` for tasks that are opened or selected."""
        return self._predict(tasks, None)

    def click(self, task: Json, context: Json) -> Json:
        """Return the body of a `/predict` for an annotator's click in a task."""
        return self._predict([task], context)

    def _predict(self, tasks: Sequence[Json], context: Json | None) -> Json:
        return {
            "tasks": list(tasks),
            "project": self.uid,
            "label_config": self.label_config,
            "params": {"login": None, "password": None, "context": context},
        }

    def tasks(self) -> list[Json]:
        """Return all tasks as in a `/predict` without a context."""
        return [self.task(number, data) for number, data in enumerate(self.data, 1)]

    def task(self, number: int, data: Json) -> Json:
        """Return a task with this `data` as in a `/predict` without a context; `number` counts from 1."""
        return {
            **self._beginning(number, data),
            "is_labeled": False,
            "overlap": 1,
            **self._middle(number),
            "project": self.number,
            "updated_by": None,
            "file_upload": None,
            "comment_authors": [],
            "annotations": [],
            "predictions": [],
        }

    def clicked_task(self, number: int) -> Json:
        """Return a task as in a `/predict` with a context."""
        beginning = self._beginning(number, self.data[number - 1])
        return {
            "id": beginning.pop("id"),
            "annotations": [],
            "drafts": [],
            "predictions": [],
            **beginning,
            "allow_skip": True,
            **self._middle(number),
            "project": self.number,
            "updated_by": 1,
            "comment_authors": [],
        }

    def _beginning(self, number: int, data: Json) -> Json:
        times = {"created_at": _CREATED_AT, "updated_at": _CREATED_AT}
        return {"id": self.number - 10_000 + number, "data": data, "meta": {}, **times}

    def _middle(self, number: int, *, labelled: bool = False) -> Json:
        counts = {"total_annotations": int(labelled), "cancelled_annotations": 0, "total_predictions": 0}
        return {"inner_id": number, **counts, **_COUNTS}

    def tasks_created(self) -> Json:
        """Return the event of an import."""
        tasks = [self._event_task(number, labelled=False) for number in range(1, len(self.data) + 1)]
        return {"action": "TASKS_CREATED", "tasks": tasks, "project": self.fields()}

    def tasks_deleted(self) -> Json:
        """Return the event of the deletion of the last task."""
        number = self._beginning(len(self.data), {})["id"]
        return {"action": "TASKS_DELETED", "tasks": [{"id": number}], "project": self.fields()}

    def project_updated(self) -> Json:
        """Return the event of a change of the project's settings."""
        return {"action": "PROJECT_UPDATED", "project": self.fields()}

    def start_training(self) -> Json:
        """Return what Label Studio's button sends: without annotations, and without a token."""
        return {"action": "START_TRAINING", "project": self.fields()}

    def annotation(self, action: str, regions: list[Json], *, number: int = 1, skipped: bool = False) -> Json:
        """Return the event of an annotation of task `number`, created or updated; a skipped one has no regions."""
        return {
            "action": action,
            "annotation": self._annotation(number, [] if skipped else regions, skipped=skipped),
            "project": self.fields(),
            "task": self._event_task(number, labelled=not skipped, skipped=skipped),
        }

    def annotations_deleted(self) -> Json:
        """Return the event of the deletion of an annotation, which has ids only."""
        deleted = [{"id": self.number - 10_000 + 1}]
        return {"action": "ANNOTATIONS_DELETED", "annotations": deleted, "project": self.fields()}

    def _annotation(self, number: int, regions: list[Json], *, skipped: bool) -> Json:
        return {
            "id": self.number - 10_000 + number,
            "result": regions,
            "was_cancelled": skipped,
            "ground_truth": False,
            "created_at": _CREATED_AT,
            "updated_at": _CREATED_AT,
            "draft_created_at": None,
            "lead_time": 1.5,
            "prediction": {},
            "result_count": len(regions),
            "unique_id": str(uuid.uuid4()),
            "import_id": None,
            "last_action": None,
            "bulk_created": False,
            "task": self.number - 10_000 + number,
            "project": self.number,
            "completed_by": 1,
            "updated_by": 1,
            "parent_prediction": None,
            "parent_annotation": None,
            "last_created_by": None,
        }

    def _event_task(self, number: int, *, labelled: bool, skipped: bool = False) -> Json:
        """Return a task as in an event."""
        counts = self._middle(number, labelled=labelled)
        comments = {name: counts.pop(name) for name in _COUNTS}
        return {
            **self._beginning(number, self.data[number - 1]),
            "is_labeled": labelled,
            "allow_skip": True,
            "overlap": 1,
            **counts,
            "cancelled_annotations": int(skipped),
            "precomputed_agreement": None,
            **comments,
            "project": self.number,
            "updated_by": 1 if labelled or skipped else None,
            "file_upload": None,
            "comment_authors": [],
        }

    def fields(self) -> Json:
        """Return the `project` of an event."""
        parsed = parse_label_config(self.label_config)
        total = len(self.data)
        return {
            "id": self.number,
            "task_number": total,
            "finished_task_number": 1,
            "total_predictions_number": 0,
            "total_annotations_number": 1,
            "num_tasks_with_annotations": 1,
            "useful_annotation_number": 1,
            "ground_truth_number": 0,
            "skipped_annotations_number": 0,
            "title": "conformance check",
            "description": "",
            "label_config": self.label_config,
            "parsed_label_config": parsed,
            "label_config_hash": zlib.crc32(self.label_config.encode()),
            **_SETTINGS,
            "control_weights": {name: _weights(control) for name, control in parsed.items()},
            "model_version": "conformance check",
            "data_types": self._data_types(),
            **_LAST_SETTINGS,
        }

    def _data_types(self) -> dict[str, str]:
        objects = controls_of(self.label_config).objects
        return {item.attribute("value").lstrip("$"): item.tag for item in objects if item.attribute("value")}


def _weights(control: Mapping[str, Any]) -> Json:
    return {"overall": 1.0, "type": control["type"], "labels": dict.fromkeys(control["labels"], 1.0)}


#: Fields of a project between the label config and the weights of its controls: Label Studio's defaults.
_SETTINGS: Json = {
    "expert_instruction": "",
    "show_instruction": False,
    "show_skip_button": True,
    "enable_empty_annotation": True,
    "reveal_preannotations_interactively": False,
    "show_annotation_history": False,
    "show_collab_predictions": True,
    "evaluate_predictions_automatically": False,
    "token": NO_TOKEN,
    "result_count": 0,
    "color": "#FFFFFF",
    "maximum_annotations": 1,
    "min_annotations_to_start_training": 0,
}

#: The last fields of a project.
_LAST_SETTINGS: Json = {
    "is_draft": False,
    "is_published": False,
    "created_at": _CREATED_AT,
    "updated_at": _CREATED_AT,
    "sampling": "Sequential sampling",
    "skip_queue": "REQUEUE_FOR_OTHERS",
    "show_ground_truth_first": False,
    "annotator_evaluation_enabled": False,
    "show_overlap_first": False,
    "overlap_cohort_percentage": 100,
    "task_data_login": None,
    "task_data_password": None,
    "pinned_at": None,
    "custom_task_lock_ttl": None,
    "deleted_at": None,
    "purge_at": None,
    "search_vector": None,
    "organization": 1,
    "created_by": 1,
    "deleted_by": None,
}
