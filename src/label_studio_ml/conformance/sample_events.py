"""The events of a made-up project, in the form that Label Studio 1.23 sends to `/webhook`."""

import uuid
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from label_studio_ml.conformance.sample_project import (
    COMMENT_COUNTS,
    CREATED_AT,
    NO_TOKEN,
    Json,
    SampleProject,
)
from label_studio_ml.controls.collection import controls_of
from label_studio_ml.protocol.label_config import parse_label_config

#: Id of the made-up label, and of its link with the project.
_LABEL_ID = 2_147_483_601


def without_payload(action: str) -> Json:
    """Return an event of a webhook whose payload is turned off in the project's settings."""
    return {"action": action}


@dataclass(frozen=True)
class SampleEvents:
    """The events of `project`."""

    project: SampleProject

    def tasks_created(self) -> Json:
        """Return the event of an import."""
        tasks = [self._event_task(number, labelled=False) for number in range(1, len(self.project.data) + 1)]
        return {"action": "TASKS_CREATED", "tasks": tasks, "project": self.project_fields()}

    def tasks_deleted(self) -> Json:
        """Return the event of the deletion of the last task."""
        deleted = [{"id": self.project.id_of(len(self.project.data))}]
        return {"action": "TASKS_DELETED", "tasks": deleted, "project": self.project_fields()}

    def project_updated(self) -> Json:
        """Return the event of a change of the project's settings."""
        return {"action": "PROJECT_UPDATED", "project": self.project_fields()}

    def start_training(self) -> Json:
        """Return what Label Studio's button sends: without annotations, and without a token."""
        return {"action": "START_TRAINING", "project": self.project_fields()}

    def annotation(self, action: str, regions: list[Json], *, number: int = 1, skipped: bool = False) -> Json:
        """Return the event of an annotation of task `number`, created or updated; a skipped one has no regions."""
        return {
            "action": action,
            "annotation": self._annotation(number, [] if skipped else regions, skipped=skipped),
            "project": self.project_fields(),
            "task": self._event_task(number, labelled=not skipped, skipped=skipped),
        }

    def annotations_created(self, regions: list[Json]) -> Json:
        """Return the event of annotations that are made of the predictions of all tasks: two lists in one event."""
        numbers = range(1, len(self.project.data) + 1)
        made = {"result_count": 0, "lead_time": None, "updated_by": None}
        annotations = [
            {
                **self._annotation(number, regions, skipped=False),
                **made,
                "parent_prediction": self.project.id_of(number),
            }
            for number in numbers
        ]
        return {
            "action": "ANNOTATIONS_CREATED",
            "annotation": annotations,
            "project": self.project_fields(),
            "task": [self._event_task(number, labelled=False) for number in numbers],
        }

    def label_links(self) -> list[Json]:
        """Return the events of a label that is added to the project, changed and removed."""
        number, project = self.project.number, self.project_fields()
        link = {"id": _LABEL_ID, "from_name": self._first_control(), "project": number, "label": _LABEL_ID}
        label = {
            "id": _LABEL_ID,
            "links": [_LABEL_ID],
            "created_at": CREATED_AT,
            "updated_at": CREATED_AT,
            "value": ["conformance check"],
            "title": "conformance check",
            "description": None,
            "approved": False,
            "created_by": 1,
            "approved_by": None,
            "organization": 1,
            "projects": [number],
        }
        return [
            {"action": "LABEL_LINK_CREATED", "label_link": [link], "project": project},
            {"action": "LABEL_LINK_UPDATED", "label_link": link, "project": project, "label": label},
            {"action": "LABEL_LINK_DELETED", "label_link": {"id": _LABEL_ID}, "project": project},
        ]

    def _first_control(self) -> str:
        return next(iter(parse_label_config(self.project.label_config)), "")

    def annotations_deleted(self) -> Json:
        """Return the event of the deletion of an annotation, which has ids only."""
        deleted = [{"id": self.project.id_of(1)}]
        return {"action": "ANNOTATIONS_DELETED", "annotations": deleted, "project": self.project_fields()}

    def _annotation(self, number: int, regions: list[Json], *, skipped: bool) -> Json:
        return {
            "id": self.project.id_of(number),
            "result": regions,
            "was_cancelled": skipped,
            "ground_truth": False,
            "created_at": CREATED_AT,
            "updated_at": CREATED_AT,
            "draft_created_at": None,
            "lead_time": 1.5,
            "prediction": {},
            "result_count": len(regions),
            "unique_id": str(uuid.uuid4()),
            "import_id": None,
            "last_action": None,
            "bulk_created": False,
            "task": self.project.id_of(number),
            "project": self.project.number,
            "completed_by": 1,
            "updated_by": 1,
            "parent_prediction": None,
            "parent_annotation": None,
            "last_created_by": None,
        }

    def _event_task(self, number: int, *, labelled: bool, skipped: bool = False) -> Json:
        """Return a task as in an event."""
        counts = self.project.counters(number, labelled=labelled)
        comments = {name: counts.pop(name) for name in COMMENT_COUNTS}
        return {
            **self.project.beginning(number, self.project.data[number - 1]),
            "is_labeled": labelled,
            "allow_skip": True,
            "overlap": 1,
            **counts,
            "cancelled_annotations": int(skipped),
            "precomputed_agreement": None,
            **comments,
            "project": self.project.number,
            "updated_by": 1 if labelled or skipped else None,
            "file_upload": None,
            "comment_authors": [],
        }

    def project_fields(self) -> Json:
        """Return the `project` of an event."""
        parsed = parse_label_config(self.project.label_config)
        total = len(self.project.data)
        return {
            "id": self.project.number,
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
            "label_config": self.project.label_config,
            "parsed_label_config": parsed,
            "label_config_hash": zlib.crc32(self.project.label_config.encode()),
            **_SETTINGS,
            "control_weights": {name: _weights(control) for name, control in parsed.items()},
            "model_version": "conformance check",
            "data_types": self._data_types(),
            **_LAST_SETTINGS,
        }

    def _data_types(self) -> dict[str, str]:
        objects = controls_of(self.project.label_config).objects
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
    "created_at": CREATED_AT,
    "updated_at": CREATED_AT,
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
