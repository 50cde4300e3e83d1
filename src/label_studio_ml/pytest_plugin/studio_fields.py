"""Fill in the fields that Label Studio always sends with tasks and annotations, for those that a test makes."""

from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]

_TIME = "2026-01-05T10:00:00.000000Z"


def completed_tasks(tasks: Sequence[Json]) -> list[Json]:
    """Return copies of labelled tasks, in which each task and annotation has all fields of Label Studio's."""
    completed = []
    annotation_id = 1
    for number, task in enumerate(tasks, start=1):
        task_id = task.get("id", number)
        annotations = []
        for annotation in task.get("annotations") or ():
            annotations.append(_annotation_fields(annotation, annotation_id, task_id) | annotation)
            annotation_id += 1
        completed.append(_task_fields(task_id, number, annotations) | task | {"annotations": annotations})
    return completed


def _annotation_fields(annotation: Json, annotation_id: int, task_id: Any) -> Json:
    result = annotation.get("result") or []
    return {
        "id": annotation_id,
        "result": result,
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": _TIME,
        "updated_at": _TIME,
        "draft_created_at": None,
        "lead_time": 1.5,
        "prediction": {},
        "result_count": len(result),
        "unique_id": f"00000000-0000-4000-8000-{annotation_id:012d}",
        "import_id": None,
        "last_action": None,
        "bulk_created": False,
        "task": task_id,
        "project": 1,
        "completed_by": 1,
        "updated_by": 1,
        "parent_prediction": None,
        "parent_annotation": None,
        "last_created_by": None,
    }


def _task_fields(task_id: Any, number: int, annotations: Sequence[Json]) -> Json:
    return {
        "id": task_id,
        "data": {},
        "meta": {},
        "created_at": _TIME,
        "updated_at": _TIME,
        "is_labeled": bool(annotations),
        "allow_skip": True,
        "overlap": 1,
        "inner_id": number,
        "total_annotations": sum(not annotation["was_cancelled"] for annotation in annotations),
        "cancelled_annotations": sum(bool(annotation["was_cancelled"]) for annotation in annotations),
        "total_predictions": 0,
        "precomputed_agreement": None,
        "comment_count": 0,
        "unresolved_comment_count": 0,
        "last_comment_updated_at": None,
        "project": 1,
        "updated_by": 1,
        "file_upload": None,
        "comment_authors": [],
        "predictions": [],
    }
