"""Which models fit a label config, in which order, and the reasons of the others."""

import json
from typing import Any

import msgspec
import pytest

from label_studio_ml.errors import LabelConfigError
from label_studio_ml.gallery.catalogue import Fill, GalleryModel
from label_studio_ml.gallery.fitting_models import match, needs

FACES = """<View><Image name="image" value="$image"/>
<RectangleLabels name="box" toName="image">
<Label value="Face"/><Label value="Hand" predicted_values="palm"/></RectangleLabels>
<Choices name="kind" toName="image"><Choice value="a"/></Choices></View>"""

ROW = """<View><Text name="text" value="$text"/>
<Choices name="kind" toName="text"><Choice value="a"/></Choices></View>"""


def model(name: str, *fills: Fill) -> GalleryModel:
    return GalleryModel(name=name, title=name, summary="", task="", trains=True, licence="MIT", fills=fills)


def fill(control: str, on: str = "", rank: int = 50, **more: Any) -> Fill:
    return Fill(control=(control,), object=(on,) if on else (), rank=rank, **more)


def reasons(config: str, *of: GalleryModel, task: dict[str, Any] | None = None) -> dict[str, str]:
    return {misfit.model.name: misfit.reason for misfit in match(config, of, task)[1]}


def test_the_higher_rank_comes_first_then_the_one_that_fills_more() -> None:
    boxes = model("boxes", fill("RectangleLabels", "Image", 70))
    both = model("both", fill("Choices", "Image", 20), fill("RectangleLabels", "Image", 70))
    best = model("best", fill("Choices", "Image", 90))
    fits, misfits = match(FACES, [boxes, both, best])
    assert [fit.model.name for fit in fits] == ["best", "both", "boxes"]
    assert [control.name for control in fits[1].controls] == ["box", "kind"]
    assert misfits == []


def test_the_reason_names_the_tags_that_are_missing() -> None:
    sounds = model("sounds", fill("Labels", "Audio"), fill("TextArea", "Audio", per_region=True))
    assert reasons(FACES, sounds) == {
        "sounds": "needs <Labels> on <Audio>, or <TextArea> on <Audio> of each region"
    }


@pytest.mark.parametrize(("label", "fits"), [("face", True), ("palm", True), ("car", False)])
def test_labels_are_compared_as_predictions_are(label: str, fits: bool) -> None:
    faces = model("faces", fill("RectangleLabels", "Image", labels=(label,)))
    assert bool(match(FACES, [faces])[0]) is fits
    if not fits:
        assert reasons(FACES, faces) == {
            "faces": "knows the labels car; <RectangleLabels> 'box' has Face, Hand"
        }


def test_labels_that_come_with_the_tasks_are_those_of_the_first_task() -> None:
    config = """<View><Image name="image" value="$image"/>
    <RectangleLabels name="box" toName="image" value="$labels"/></View>"""
    faces = model("faces", fill("RectangleLabels", "Image", labels=("face",)))
    assert reasons(config, faces) == {"faces": "knows the labels face; <RectangleLabels> 'box' has none"}
    assert reasons(config, faces, task={"data": {"labels": [{"value": "Face"}]}}) == {}
    assert reasons(config, faces, task={"data": {"labels": [{"value": "Car"}]}}) == {
        "faces": "knows the labels face; <RectangleLabels> 'box' has Car"
    }
    for data in ({"image": "a.png"}, {"labels": None}, None):
        assert reasons(config, faces, task={"data": data}) == {
            "faces": "knows the labels face; <RectangleLabels> 'box' has none"
        }


def test_a_model_of_a_low_rank_is_not_suitable() -> None:
    fits, _ = match(
        FACES, [model("any", fill("Choices", "Image", 20)), model("best", fill("Choices", "Image", 30))]
    )
    assert [(fit.model.name, fit.is_suitable) for fit in fits] == [("best", True), ("any", False)]


def test_a_control_that_must_stand_beside() -> None:
    texts = model("ocr", fill("RectangleLabels", "Image", beside=("TextArea",)))
    assert reasons(FACES, texts) == {"ocr": 'needs <TextArea> with perRegion="true" beside <RectangleLabels>'}
    with_text = FACES.replace("</View>", '<TextArea name="text" toName="image" perRegion="true"/></View>')
    assert reasons(with_text, texts) == {}


def test_columns_are_counted_in_the_first_task() -> None:
    tabular = model("tabular", fill("Choices", "Text", columns=3))
    few = {"data": {"text": "a", "url": "http://host/b", "long": "x" * 500, "age": 3}}
    assert reasons(ROW, tabular, task=few) == {
        "tabular": "needs 3 columns in the data of a task; the first task has 2 columns"
    }
    assert reasons(ROW, tabular, task={"data": {"text": "a", "age": 3, "size": 1.5}}) == {}
    assert reasons(ROW, tabular) == {
        "tabular": "needs 3 columns in the data of a task; there is no task to look at"
    }


@pytest.mark.parametrize(
    ("shown", "first"), [(3, "rows"), ("2.5", "rows"), ("a", "texts"), (None, "texts"), (10**400, "texts")]
)
def test_columns_are_preferred_where_the_shown_text_is_a_number(shown: Any, first: str) -> None:
    rows = model("rows", fill("Choices", "Text", 40, columns=3, number_rank=82))
    texts = model("texts", fill("Choices", "Text", 78))
    fits, _ = match(ROW, [rows, texts], {"data": {"text": shown, "age": 3, "size": 1.5, "kind": "b"}})
    assert fits[0].model.name == first


def test_the_controls_that_stay_empty() -> None:
    config = FACES.replace(
        "</View>",
        """<TextArea name="read" toName="image" perRegion="true"/><Rating name="stars" toName="image"/>
        <KeyPointLabels name="click" toName="image"><Label value="Face"/></KeyPointLabels></View>""",
    )
    reader = model("reader", fill("RectangleLabels", "Image", beside=("TextArea",)))
    ((fit,), _) = match(config, [msgspec.structs.replace(reader, prompts=("KeyPointLabels",))])
    assert [control.name for control in fit.controls] == ["box", "read"]
    assert [control.name for control in fit.empty] == ["kind", "stars"]
    assert fit.coverage == "fills 2 of 4 controls"
    one = model("one", fill("RectangleLabels", "Image"), fill("Choices", "Image", 70))
    ((fit,), _) = match(FACES, [msgspec.structs.replace(one, one_control=True)])
    assert ([control.name for control in fit.controls], fit.coverage) == (["kind"], "fills 1 of 2 controls")


def test_a_control_without_its_object_fits_nothing() -> None:
    config = '<View><Choices name="kind" toName="gone"><Choice value="a"/></Choices></View>'
    assert reasons(config, model("any", fill("Choices", "Text"))) == {"any": "needs <Choices> on <Text>"}
    assert reasons(config, model("any", fill("Choices"))) == {"any": "needs <Choices>"}
    texts = config.replace(
        "</View>",
        '<Text name="text" value="$text"/><Choices name="topic" toName="text"><Choice value="a"/></Choices></View>',
    )
    ((fit,), _) = match(texts, [model("any", fill("Choices"))])
    assert [control.name for control in fit.controls] == ["topic"]


def test_needs_says_each_pair_of_tags_once() -> None:
    assert needs(model("m", fill("Choices", "Text", 9), fill("Choices", "Text", 5), fill("Rating"))) == (
        "<Choices> on <Text>, or <Rating>"
    )


def test_a_label_config_that_is_no_xml_is_an_error() -> None:
    with pytest.raises(LabelConfigError):
        match("<View", [model("m", fill("Choices"))])


RANKING = """<View><Text name="query" value="$query"/><List name="items" value="$items"/>
<Ranker name="rank" toName="items"/></View>"""
PICTURES = [{"id": "a", "html": "<img src='a.png'/>"}, {"id": "b", "html": " <p><img src='b.png'/></p> "}]


def test_items_that_are_pictures_are_none_for_a_model_of_texts() -> None:
    ranker = model("ranker", fill("Ranker", "List", text_items=True))
    said = {"ranker": "needs a text in the items of <Ranker> 'rank'; those of the first task have none"}
    assert reasons(RANKING, ranker, task={"data": {"items": PICTURES}}) == said
    with_text: dict[str, Any] = {"data": {"items": [*PICTURES, {"id": "c", "body": "a car"}]}}
    others: list[dict[str, Any]] = [
        {"data": {}},
        {"data": {"items": []}},
        {"data": {"items": "x"}},
        with_text,
    ]
    assert reasons(RANKING, ranker) == {}
    for task in others:
        assert reasons(RANKING, ranker, task=task) == {}
    assert match(RANKING, [model("any", fill("Ranker", "List"))], {"data": {"items": PICTURES}})[0]


def test_choices_of_the_task_that_are_pictures_are_none_for_a_model_of_texts() -> None:
    config = ROW.replace('<Choice value="a"/>', "").replace('toName="text"', 'toName="text" value="$options"')
    ranker = model("ranker", fill("Choices", "Text", among_texts=True, text_items=True))
    pictures = {"data": {"options": [{"value": "id1", "html": "<img src='a.png'/>"}]}}
    assert "needs a text in the items" in reasons(config, ranker, task=pictures)["ranker"]
    assert reasons(config, ranker, task={"data": {"options": [{"value": "a car"}]}}) == {}


def test_without_a_task_the_example_in_the_label_config_is_looked_at() -> None:
    ranker = model("ranker", fill("Ranker", "List", text_items=True))
    example = f"<!-- a note --><!-- {json.dumps({'data': {'items': PICTURES}})} -->"
    assert "those of the example task have none" in reasons(RANKING + example, ranker)["ranker"]
    assert reasons(RANKING + example, ranker, task={"data": {"items": [{"id": "a", "body": "b"}]}}) == {}
    assert reasons(RANKING + "<!-- {no JSON} -->", ranker) == {}


def test_a_choice_among_texts_needs_a_text_for_each_label_or_labels_of_the_task() -> None:
    ranker = model("ranker", fill("Choices", "Text", among_texts=True))
    assert reasons(ROW, ranker) == {
        "ranker": "needs labels of <Choices> 'kind' that come with the tasks, or a text for each"
    }
    texts = '<Text name="a" value="$a"/><Text name="b" value="$b"/>'
    two = ROW.replace("</Choices>", '<Choice value="b"/></Choices>' + texts)
    assert match(two, [ranker])[0]
    assert match(
        ROW.replace('<Choice value="a"/>', "").replace('toName="text"', 'toName="text" value="$o"'), [ranker]
    )[0]
