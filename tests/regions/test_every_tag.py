"""Each control tag of Label Studio: regions of it can be built, and the SDK and our own checks accept them."""

from typing import Any

import pytest
from label_studio_sdk.label_interface import LabelInterface

from built_regions import REGIONS, build, task_for
from label_studio_ml import regions
from label_studio_ml.controls import Controls
from label_studio_ml.protocol.control_tags import CONTROL_TAGS
from label_studio_ml.validation.region_checks import RegionChecks

LABELS = '<Label value="Car"/><Label value="Dog"/>'
CHOICES = '<Choice value="Good"><Choice value="Fine"/></Choice><Choice value="Bad"/>'
IMAGE, VIDEO = '<Image name="o" value="$image"/>', '<Video name="o" value="$video"/>'
TEXT, AUDIO = '<Text name="o" value="$text"/>', '<Audio name="o" value="$audio"/>'

#: The object tag beside each control; `<Image>` for others.
OBJECTS = {
    **dict.fromkeys(("VideoRectangle", "VideoVector", "VideoVectorLabels", "TimelineLabels"), VIDEO),
    **dict.fromkeys(("Labels", "Choices", "Taxonomy", "Rating", "Number", "DateTime", "TextArea"), TEXT),
    "OcrLabels": '<Pdf name="o" value="$pdf"/>',
    "HyperTextLabels": '<HyperText name="o" value="$html"/>',
    "ParagraphLabels": '<Paragraphs name="o" value="$dialogue"/>',
    "TimeSeriesLabels": '<TimeSeries name="o" value="$csv"/>',
    "Pairwise": '<Text name="o" value="$text"/><Text name="p" value="$other"/>',
    "Ranker": '<List name="o" value="$items"/>',
}
CONFIGS = {
    "Relations": f'<View><Labels name="l" toName="o">{LABELS}</Labels>{TEXT}'
    '<Relations name="c" toName="o"><Relation value="owns"/></Relations></View>',
    "Chat": '<View><Chat name="c" value="$chat"/></View>',
    "ReactCode": '<View><ReactCode name="c" toName="c" data="$text" outputs="summary, mood:number(0, 9)"/></View>',
    "DateTime": f'<View>{TEXT}<DateTime name="c" toName="o" only="date"/></View>',
    "Pairwise": f'<View>{OBJECTS["Pairwise"]}<Pairwise name="c" toName="o,p"/></View>',
}

#: Label configs in which a control has another object, or says something of the regions of another control.
MORE = {
    "spans of a page": '<HyperText name="o" value="$t"/><Labels name="c" toName="o">{labels}</Labels>',
    "spans of paragraphs": '<Paragraphs name="o" value="$t"/><Labels name="c" toName="o">{labels}</Labels>',
    "audio": AUDIO + '<Labels name="c" toName="o">{labels}</Labels>',
    "labels of boxes": IMAGE
    + '<Rectangle name="b" toName="o"/><Labels name="c" toName="o">{labels}</Labels>',
    "labels of brushes": IMAGE
    + '<MagicWand name="b" toName="o"/><Labels name="c" toName="o">{labels}</Labels>',
    "labels of vectors": IMAGE + '<Vector name="b" toName="o"/><Labels name="c" toName="o">{labels}</Labels>',
    "labels of tracks": VIDEO
    + '<VideoRectangle name="b" toName="o"/><Labels name="c" toName="o">{labels}</Labels>',
    "labels of vector tracks": VIDEO
    + '<VideoVector name="b" toName="o"/><Labels name="c" toName="o">{labels}</Labels>',
    "buckets": '<List name="o" value="$items"/>'
    '<Ranker name="c" toName="o"><Bucket name="best"/><Bucket name="rest" default="true"/></Ranker>',
    "buckets without a default": '<List name="o" value="$items"/>'
    '<Ranker name="c" toName="o"><Bucket name="best"/></Ranker>',
    "choices of the task": TEXT + '<Choices name="c" toName="o" value="$options"/>',
    "taxonomy of the task": TEXT + '<Taxonomy name="c" toName="o" value="$options"/>',
    "choices of a message": '<Chat name="o" value="$chat"/>'
    '<Choices name="c" toName="o" perRegion="true">{choices}</Choices>',
    "choices of a segment": AUDIO + '<Labels name="l" toName="o">{labels}</Labels>'
    '<Choices name="c" toName="o" perRegion="true">{choices}</Choices>',
    "a taxonomy of a box": IMAGE + '<RectangleLabels name="l" toName="o">{labels}</RectangleLabels>'
    '<Taxonomy name="c" toName="o" perRegion="true">{choices}</Taxonomy>',
    "a rating of a polygon": IMAGE + '<PolygonLabels name="l" toName="o">{labels}</PolygonLabels>'
    '<Rating name="c" toName="o" perRegion="true"/>',
    "a number of an ellipse": IMAGE + '<EllipseLabels name="l" toName="o">{labels}</EllipseLabels>'
    '<Number name="c" toName="o" perRegion="true"/>',
    "a date of a span": TEXT + '<Labels name="l" toName="o">{labels}</Labels>'
    '<DateTime name="c" toName="o" only="date" perRegion="true"/>',
    "a text of a mask": IMAGE + '<BrushLabels name="l" toName="o">{labels}</BrushLabels>'
    '<TextArea name="c" toName="o" perRegion="true"/>',
}

#: What the SDK refuses although Label Studio shows it, by name of the example: see docs/region-formats.md.
REFUSED_BY_SDK = {
    "labels of brushes": "it does not know that a label may belong to a region of a <MagicWand>",
}


def config_of(tag: str) -> str:
    row = CONTROL_TAGS[tag]
    if tag in CONFIGS:
        return CONFIGS[tag]
    inner = LABELS if row.labels_field.endswith("labels") else CHOICES if row.labels_field else ""
    return f'<View>{OBJECTS.get(tag, IMAGE)}<{tag} name="c" toName="o">{inner}</{tag}></View>'


EXAMPLES = {tag: config_of(tag) for tag in CONTROL_TAGS} | {
    name: f"<View>{inner.format(labels=LABELS, choices=CHOICES)}</View>" for name, inner in MORE.items()
}


def test_every_tag_has_a_builder() -> None:
    assert REGIONS.keys() == CONTROL_TAGS.keys()


def test_the_exceptions_are_examples() -> None:
    assert REFUSED_BY_SDK.keys() <= EXAMPLES.keys()


@pytest.mark.parametrize("name", EXAMPLES)
def test_regions_of_a_control(name: str) -> None:
    config = EXAMPLES[name]
    controls = Controls(config)
    made = build(controls["c"], controls, task_for(controls))
    assert name == "Relations" or any(region["from_name"] in ("c", "b") for region in made)
    assert RegionChecks(config).refusal(made) is None
    errors = LabelInterface(config).validate_prediction(regions.prediction(made), return_errors=True)
    assert bool(errors) == (name in REFUSED_BY_SDK), errors


@pytest.mark.parametrize("name", ["labels of vector tracks"])
def test_the_type_of_a_labelled_vector_track(name: str) -> None:
    controls = Controls(EXAMPLES[name])
    (region,) = build(controls["b"], controls, task_for(controls))
    assert (region["from_name"], region["type"]) == ("c", "videovectorlabels")
    value: dict[str, Any] = region["value"]
    assert value["videovectorlabels"] == ["Dog"]
