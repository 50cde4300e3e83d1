"""The bodies of the calls, against those that a real Label Studio sent."""

from typing import Any

import pytest

from helpers import captured
from label_studio_ml.conformance.sample_events import SampleEvents
from label_studio_ml.conformance.sample_project import FIRST_ID, SampleProject
from label_studio_ml.conformance.sample_regions import annotated_regions, clicked_regions
from label_studio_ml.conformance.second_project import second_project
from label_studio_ml.controls.collection import Controls
from label_studio_ml.protocol.label_config import parse_label_config
from label_studio_ml.protocol.requests import uid_of

CONFIG = captured("setup").json["schema"]
REGION = captured("predict_interactive").json["params"]["context"]["result"][0]
PROJECT = SampleProject(
    FIRST_ID,
    CONFIG,
    tuple({"image": f"http://127.0.0.1/{number}.png"} for number in range(20)),
    "http://localhost",
)
TASKS = PROJECT.tasks()
EVENTS = SampleEvents(PROJECT)

#: Events that were captured in another project: with texts.
IN_BULK = captured("webhook_ANNOTATIONS_CREATED").json
TEXTS = SampleProject(
    FIRST_ID, IN_BULK["project"]["label_config"], tuple(task["data"] for task in IN_BULK["task"]), ""
)
TEXT_EVENTS = SampleEvents(TEXTS)
_, LINK_UPDATED, LINK_DELETED = TEXT_EVENTS.label_links()

#: The bodies that are sent, by the captured request that they are to be like.
BODIES: dict[str, Any] = {
    "setup": PROJECT.setup(),
    "setup_basic_auth": PROJECT.setup(),
    "predict_task_opened": PROJECT.predict(TASKS[:1]),
    "predict_retrieve": PROJECT.predict(TASKS),
    "predict_interactive": PROJECT.click(
        PROJECT.clicked_task(1), {"result": [REGION], "e2e": "context-marker"}
    ),
    "webhook_ANNOTATION_CREATED": EVENTS.annotation("ANNOTATION_CREATED", [REGION]),
    "webhook_ANNOTATION_CREATED_skipped": EVENTS.annotation("ANNOTATION_CREATED", [REGION], skipped=True),
    "webhook_ANNOTATION_UPDATED": EVENTS.annotation("ANNOTATION_UPDATED", [REGION]),
    "webhook_ANNOTATIONS_CREATED": TEXT_EVENTS.annotations_created(IN_BULK["annotation"][0]["result"]),
    "webhook_ANNOTATIONS_DELETED": EVENTS.annotations_deleted(),
    "webhook_LABEL_LINK_UPDATED": LINK_UPDATED,
    "webhook_LABEL_LINK_DELETED": LINK_DELETED,
    "webhook_PROJECT_UPDATED": EVENTS.project_updated(),
    "webhook_START_TRAINING": EVENTS.start_training(),
    "webhook_TASKS_CREATED": EVENTS.tasks_created(),
    "webhook_TASKS_DELETED": EVENTS.tasks_deleted(),
}

#: Values that are a part of the captured project rather than of the form.
_FREE = frozenset({"predictions", "updated_by"})


def shape(value: Any) -> Any:
    """Return keys, in their order, and types; of a list, the shape of its first item."""
    if isinstance(value, dict):
        return [(key, "free" if key in _FREE else shape(part)) for key, part in value.items()]
    if isinstance(value, list):
        return ["list", *map(shape, value[:1])]
    return type(value).__name__


@pytest.mark.parametrize("name", BODIES)
def test_the_bodies_have_the_form_of_the_captured_ones(name: str) -> None:
    assert shape(BODIES[name]) == shape(captured(name).json)


@pytest.mark.parametrize("name", ["webhook_PROJECT_UPDATED", "webhook_ANNOTATION_CREATED_skipped"])
def test_what_follows_from_the_label_config_is_the_same(name: str) -> None:
    real, made = captured(name).json["project"], EVENTS.project_fields()
    for field in (
        "label_config",
        "parsed_label_config",
        "control_weights",
        "data_types",
        "sampling",
        "skip_queue",
    ):
        assert made[field] == real[field]


def test_a_skipped_annotation_is_one_that_was_cancelled() -> None:
    real, made = (
        captured("webhook_ANNOTATION_CREATED_skipped").json,
        BODIES["webhook_ANNOTATION_CREATED_skipped"],
    )
    for field in ("result", "was_cancelled", "result_count"):
        assert made["annotation"][field] == real["annotation"][field]
    for field in ("is_labeled", "total_annotations", "cancelled_annotations"):
        assert made["task"][field] == real["task"][field]


def test_calls_and_events_are_about_one_project() -> None:
    assert (
        uid_of(EVENTS.project_fields())
        == PROJECT.uid
        == PROJECT.setup()["project"]
        == PROJECT.predict(TASKS)["project"]
    )


def test_a_second_project_has_controls_of_other_names() -> None:
    config = """<View><Image name="image" value="$image"/><Labels name="kind" toName="image"><Label value="a"/></Labels>
    <Rectangle name="box" toName="image"/><Choices name="why" toName="image" perRegion="true" whenTagName="kind"
    whenLabelValue="a"><Choice value="x"/></Choices></View>"""
    first = SampleProject(FIRST_ID, config, ({},), "")
    second = second_project(first)
    parsed = parse_label_config(second.label_config)
    assert list(parsed) == ["kind_second", "box_second", "why_second"]
    assert parsed["why_second"]["to_name"] == ["image"]
    assert 'whenTagName="kind_second"' in second.label_config
    assert second.uid != first.uid


def test_annotations_are_the_same_in_each_run() -> None:
    config = """<View><Image name="image" value="$image"/><RectangleLabels name="box" toName="image"><Label value="a"/>
    <Label value="b"/></RectangleLabels><Choices name="kind" toName="image"><Choice value="c"/><Choice value="d"/>
    </Choices></View>"""
    first, second = annotated_regions(config), annotated_regions(config)
    assert [region["from_name"] for region in first] == ["box", "kind"]
    assert [region["value"] for region in first] == [region["value"] for region in second]
    assert annotated_regions("<View/>") == []
    box = first[0]["value"]
    assert box["x"] + box["width"] <= 100 >= box["y"] + box["height"]


def test_a_click_is_made_with_the_smart_control() -> None:
    controls = Controls(
        """<View><Image name="image" value="$image"/><RectangleLabels name="box" toName="image"><Label value="a"/>
        </RectangleLabels><KeyPointLabels name="dot" toName="image" smart="true"><Label value="a"/></KeyPointLabels>
        </View>"""
    )
    box = {"from_name": "box", "type": "rectanglelabels"}
    dot = {"from_name": "dot", "type": "keypointlabels"}
    assert clicked_regions(controls, [box, dot]) == [{**dot, "is_positive": True}]
    assert clicked_regions(controls, [box]) == [box]
    assert clicked_regions(controls, []) == []
