"""Make tasks with annotations for a label config: what `fit` gets in a test."""

import random
from collections.abc import Sequence
from typing import Any

from label_studio_ml import samples
from label_studio_ml.controls import Control, Controls
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.regions.region import Region
from label_studio_ml.test_kit.example_regions import build

Json = dict[str, Any]

#: Regions in each annotation of each control of labels, which may have more than one.
_REGIONS = 2


def annotated_tasks(label_config: str, tasks: Sequence[Json], shift: int = 0) -> list[Json]:
    """Return the tasks, which `samples` made, with annotations whose labels are drawn at random, the same in each call.

    Labels that alternate would go with what alternates in the samples, such as the form of a table. With a `shift`,
    each label is that many further in the label config. Controls for which no region can be made are left out of the
    annotations.
    """
    controls = Controls(label_config)
    readable = samples.tasks(label_config, len(tasks))  # the same ones, with their files in them
    return [
        with_annotation(task, regions_of(controls, same, random.Random(task["id"]).randrange(1000) + shift))  # noqa: S311
        for task, same in zip(tasks, readable, strict=True)
    ]


def regions_of(controls: Controls, task: Json, number: int, *, most: int = _REGIONS) -> list[Region]:
    """Return regions of all controls for a task: `most` of each control of labels, one of each other control.

    `number` chooses the labels.
    """
    regions: list[Region] = []
    for control in controls:
        if control.is_per_region:
            continue
        for offset in range(most if _has_labels(control) else 1):
            try:
                regions += build(control, controls, task, number + offset)
            except (LabelConfigError, ValueError, TypeError, LookupError, StopIteration):
                continue  # the control needs what a sample does not have
    return regions


def _has_labels(control: Control) -> bool:
    return control.tag.endswith("Labels")


def with_annotation(task: Json, regions: list[Region], *, was_cancelled: bool = False) -> Json:
    """Return a task with one annotation of these regions; `was_cancelled`: its annotator has skipped it."""
    number = int(task["id"])
    annotation = {
        "id": 1000 + number,
        "task": number,
        "project": 1,
        "completed_by": 1,
        "was_cancelled": was_cancelled,
        "ground_truth": False,
        "lead_time": 12.5,
        "created_at": "2026-01-05T10:00:00.000000Z",
        "updated_at": "2026-01-05T10:00:00.000000Z",
        "result": [dict(region) for region in regions],
        "result_count": len(regions),
    }
    return {**task, "project": 1, "annotations": [annotation], "predictions": [], "is_labeled": True}


def with_one_label(label_config: str, tasks: Sequence[Json]) -> list[Json]:
    """Return the tasks, which `samples` made, with annotations that all have the first label."""
    controls = Controls(label_config)
    readable = samples.tasks(label_config, len(tasks))
    return [
        with_annotation(task, regions_of(controls, same, 0, most=1))
        for task, same in zip(tasks, readable, strict=True)
    ]
