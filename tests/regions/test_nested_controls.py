"""Controls that belong to regions or are repeated: text recognition, what is said of regions, and `<Repeater>`."""

from typing import Any

import pytest
from label_studio_sdk.label_interface import LabelInterface

from label_studio_ml import regions
from label_studio_ml.controls import Controls
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.validation.region_checks import RegionChecks

#: The controls of Label Studio's template for text recognition.
OCR = """<View><Image name="image" value="$ocr"/>
<Labels name="label" toName="image"><Label value="Text"/><Label value="Handwriting"/></Labels>
<Rectangle name="bbox" toName="image"/><Polygon name="poly" toName="image"/>
<TextArea name="transcription" toName="image" perRegion="true" editable="true" displayMode="region-list"/></View>"""

REPEATER = """<View><Repeater on="$docs" indexFlag="{{doc}}">
<Text name="text_{{doc}}" value="$docs[{{doc}}].text"/>
<Labels name="ner_{{doc}}" toName="text_{{doc}}"><Label value="PER"/><Label value="LOC"/></Labels>
<Choices name="kind_{{doc}}" toName="text_{{doc}}"><Choice value="Letter"/><Choice value="Bill"/></Choices>
<Rating name="sure_{{doc}}" toName="text_{{doc}}" perRegion="true"/></Repeater></View>"""


def errors(config: str, *found: Any) -> list[str]:
    """Return what the SDK's validator finds wrong, after our own checks have found nothing."""
    prediction = regions.prediction(*found)
    assert RegionChecks(config).refusal(prediction["result"]) is None
    return list(LabelInterface(config).validate_prediction(prediction, return_errors=True))


def test_text_recognition_is_a_box_a_label_and_a_text_with_one_id() -> None:
    controls, found = Controls(OCR), []
    lines = [((10, 20, 210, 50), "Dear Ann", 0.9), ((10, 60, 180, 90), "how are you?", 0.6)]
    lines += [((900, 60, 1000, 90), "outside of the picture", 0.5)]
    for xyxy, text, score in lines:
        box = regions.box(controls["bbox"], xyxy=xyxy, size=(800, 600), score=score)
        label = regions.attach(box, controls["label"], "Text", score=score)
        found += [box, label, regions.attach(box, controls["transcription"], text, score=score)]
    assert errors(OCR, found) == []
    prediction = regions.prediction(found)
    by_id: dict[str, list[Any]] = {}
    for region in prediction["result"]:
        by_id.setdefault(region["id"], []).append(region)
    assert [[region["type"] for region in parts] for parts in by_id.values()] == [
        ["rectangle", "labels", "textarea"]
    ] * 2
    assert [parts[2]["value"]["text"] for parts in by_id.values()] == [["Dear Ann"], ["how are you?"]]
    places = [
        tuple(part["value"][name] for name in ("x", "y", "width", "height")) for part in by_id.popitem()[1]
    ]
    assert len(set(places)) == 1
    assert prediction["score"] == 0.75


def test_controls_of_a_repeater() -> None:
    controls = Controls(REPEATER)
    task = {"data": {"docs": [{"text": "Ann writes"}, {"text": "To Bob in Rome"}]}}
    kinds, spans, ratings = [], [], []
    for index, (start, end, label) in enumerate([(0, 3, "PER"), (10, 14, "LOC")]):
        ner = controls.first("Labels", on="Text").at(index)
        span = regions.labelled_text(ner, task).span(start, end, label)
        assert span is not None
        spans.append(span)
        kinds.append(regions.choices(controls["kind_{{doc}}"].at(index), "Bill"))
        ratings.append(regions.attach(span, controls[f"sure_{index}"], 4))
    assert [(span["from_name"], span["to_name"], span["value"]["text"]) for span in spans] == [
        ("ner_0", "text_0", "Ann"),
        ("ner_1", "text_1", "Rome"),
    ]
    # The SDK's validator knows the names of the label config only, without an index.
    assert all("not found in configuration" in error for error in errors(REPEATER, kinds, spans, ratings))


NESTED = """<View><Audio name="a" value="$a"/><Labels name="who" toName="a"><Label value="Ann"/></Labels>
<Choices name="tone" toName="a" perRegion="true" choice="multiple" allowNested="true"><Choice value="Sad">
<Choice value="Angry"/><Choice value="Tired"/></Choice><Choice value="Glad"/></Choices>
<Choices name="flat" toName="a"><Choice value="Sad"><Choice value="Angry"/></Choice><Choice value="Glad"/></Choices>
<Taxonomy name="topic" toName="a" perRegion="true"><Choice value="Work"><Choice value="Pay"/></Choice></Taxonomy>
</View>"""


def test_nested_choices_belong_to_a_region() -> None:
    controls = Controls(NESTED)
    said = regions.segment(controls["who"], 0.5, 2, "Ann", score=0.5)
    tone = regions.attach(said, controls["tone"], "Angry", "Glad", score=0.7)
    topic = regions.attach(said, controls["topic"], ("Work", "Pay"))
    assert errors(NESTED, said, topic) == []
    assert said is not None
    assert tone is not None
    assert topic is not None
    assert {part["id"] for part in (said, tone, topic)} == {said["id"]}
    assert tone["value"]["choices"] == [["Sad", "Angry"], ["Glad"]]
    assert topic["value"]["taxonomy"] == [["Work", "Pay"]]
    assert (tone["value"]["start"], tone["value"]["end"]) == (0.5, 2.0)
    # The SDK's validator knows no paths of choices.
    assert any(
        "Error validating value" in error or "Invalid value" in error for error in errors(NESTED, said, tone)
    )


def test_choices_within_choices_are_shown_with_allow_nested_only() -> None:
    flat = Controls(NESTED)["flat"]
    region = regions.choices(flat, "Glad")
    assert region is not None
    assert region["value"] == {"choices": ["Glad"]}
    for label in ("Angry", ("Sad", "Angry")):
        with pytest.raises(LabelConfigError, match="does not show the choice Sad / Angry") as raised:
            regions.choices(flat, label)
    assert raised.value.fix == 'Set allowNested="true" in the label config'


def test_our_checks_know_the_names_in_paths_of_choices() -> None:
    region = regions.attach(
        regions.segment(Controls(NESTED)["who"], 0, 1, "Ann"), Controls(NESTED)["tone"], "Angry"
    )
    assert region is not None
    region["value"]["choices"] = [["Sad", "Happy"]]
    refusal = RegionChecks(NESTED).refusal([region])
    assert refusal is not None
    assert "the label 'Happy' is not in the label config" in refusal.fault


def test_pages_of_a_document() -> None:
    config = """<View><Image name="pages" valueList="$pages"/>
    <RectangleLabels name="field" toName="pages"><Label value="Sum"/></RectangleLabels>
    <TextArea name="text" toName="pages" perRegion="true"/>
    <Choices name="kind" toName="pages" perItem="true"><Choice value="Bill"/></Choices></View>"""
    controls = Controls(config)
    box = regions.box(controls["field"], xyxy=(1, 2, 30, 40), size=(100, 100), label="Sum", item_index=2)
    text = regions.attach(box, controls["text"], "12.50")
    kind = regions.choices(controls["kind"], "Bill", item_index=2)
    assert errors(config, box, text, kind) == []
    assert [part["item_index"] for part in (box, text, kind) if part] == [2, 2, 2]
