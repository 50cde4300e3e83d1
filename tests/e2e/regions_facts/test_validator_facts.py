"""What the SDK's validator accepts although the editor does not draw it, and refuses although the editor takes it."""

import pytest
from label_studio_sdk.label_interface import LabelInterface

from ..studio import Json
from .labelling import region

BOX = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0}
TREE = '<Choice value="P"><Choice value="Q"/></Choice>'
CHOICES = '<Choice value="x"/><Choice value="y"/>'


def labels(tag: str, object_tag: str = 'Image name="data" value="$data"') -> str:
    return f'<View><{tag} name="label" toName="data"><Label value="A"/></{tag}><{object_tag}/></View>'


def field(tag: str, inner: str = "") -> str:
    return f'<View><Text name="data" value="$data"/><{tag} name="label" toName="data">{inner}</{tag}></View>'


TEXT = labels("Labels", 'Text name="data" value="$data"')
HYPERTEXT = labels("HyperTextLabels", 'HyperText name="data" value="$data"')
PARAGRAPHS = labels("ParagraphLabels", 'Paragraphs name="data" value="$data"')
AUDIO = labels("Labels", 'Audio name="data" value="$data"')
SERIES = labels("TimeSeriesLabels", 'TimeSeries name="data" value="$data"')
TIMELINE = labels("TimelineLabels", 'Video name="data" value="$data"')
VIDEO = """<View><Video name="data" value="$data"/><VideoRectangle name="box" toName="data"/>
    <Labels name="label" toName="data"><Label value="A"/></Labels></View>"""
OCR = """<View><Image name="data" value="$data"/><Rectangle name="box" toName="data"/>
    <Labels name="label" toName="data"><Label value="A"/></Labels></View>"""
RANKER = '<View><List name="data" value="$data" title="t"/><Ranker name="label" toName="data"/></View>'


NESTED = field("Choices", TREE).replace("<Choices", '<Choices allowNested="true"')
WAND = OCR.replace('<Rectangle name="box"', '<MagicWand name="box"')
REPEATER = """<View><Repeater on="$docs" indexFlag="{{idx}}"><Text name="data_{{idx}}" value="$docs[{{idx}}].text"/>
    <Choices name="label_{{idx}}" toName="data_{{idx}}"><Choice value="x"/></Choices></Repeater></View>"""
CHAT = '<View><Chat name="data" value="$data" toName="data"/></View>'
#: A mask of 2 x 1 pixels.
RLE = {"format": "rle", "rle": [0, 0, 0, 8, 57, 27, 252, 255, 224]}


def labelled(kind: str, **value: object) -> list[Json]:
    return [region("r", kind, {**value, kind: ["A"]})]


def plain(kind: str, value: object, name: str = "") -> list[Json]:
    return [region("r", kind, {name or kind: value})]


SPANS = [
    region(name, "labels", {"start": start, "end": start + 1, "labels": ["A"]})
    for name, start in (("a", 0), ("b", 2))
]

ACCEPTED = {
    "a fraction as a text offset": (TEXT, labelled("labels", start=0.5, end=2)),
    "HyperText without offsets": (
        HYPERTEXT,
        labelled("hypertextlabels", start="/p[1]/text()[1]", end="/p[1]/text()[1]"),
    ),
    "a number as a paragraph": (
        PARAGRAPHS,
        labelled("paragraphlabels", start=0, end=0, startOffset=0, endOffset=1),
    ),
    "a key point without width": (labels("KeyPointLabels"), labelled("keypointlabels", x=5, y=5)),
    "an open polygon": (
        labels("PolygonLabels"),
        labelled("polygonlabels", points=[[1, 1], [2, 2], [3, 1]], closed=False),
    ),
    "two points": (labels("PolygonLabels"), labelled("polygonlabels", points=[[1, 1], [2, 2]])),
    "a vector without the image's size": (
        labels("VectorLabels"),
        labelled("vectorlabels", vertices=[{"x": 1, "y": 2}]),
    ),
    "texts as seconds": (AUDIO, labelled("labels", start="1", end="2")),
    "a fraction in ranges": (TIMELINE, labelled("timelinelabels", ranges=[{"start": 1.5, "end": 2}])),
    "a number as text": (field("Number"), plain("number", "7")),
    "two of a single choice": (field("Choices", CHOICES), plain("choices", ["x", "y"])),
    "the name of a nested choice": (field("Choices", TREE), plain("choices", ["Q"])),
    "a leaf without its path": (field("Taxonomy", TREE), plain("taxonomy", [["Q"]])),
    "a vector that its control would open": (
        labels("VectorLabels"),
        [
            region(
                "r", "vectorlabels", {"vertices": [{"x": 1, "y": 2}], "closed": True, "vectorlabels": ["A"]}
            )
        ],
    ),
    "an unknown item of a ranker": (RANKER, plain("ranker", {"label": ["unknown"]})),
    "any text as a date": (field("DateTime"), plain("datetime", "some day")),
}

REFUSED = {
    "an unknown label": (TEXT, [region("r", "labels", {"start": 0, "end": 1, "labels": ["B"]})]),
    "a span without labels": (TEXT, [region("r", "labels", {"start": 0, "end": 1})]),
    "global offsets alone": (HYPERTEXT, labelled("hypertextlabels", globalOffsets={"start": 0, "end": 1})),
    "a rotation beyond 360": (
        labels("RectangleLabels"),
        labelled("rectanglelabels", **{**BOX, "rotation": 400}),
    ),
    "labels without a position": (
        OCR,
        [region("r", "rectangle", BOX, "box"), region("r", "labels", {"labels": ["A"]})],
    ),
    "no instant": (SERIES, labelled("timeserieslabels", start=1, end=2)),
    "a key frame without time": (
        VIDEO,
        [region("r", "videorectangle", {"sequence": [{"frame": 1, "enabled": True, **BOX}]}, "box")],
    ),
    "a fraction as a rating": (field("Rating"), plain("rating", 3.5)),
    "a text instead of a list": (field("TextArea"), plain("textarea", "x", "text")),
    "a choice as text": (field("Choices", CHOICES), plain("choices", "x")),
    "a flat taxonomy": (field("Taxonomy", TREE), plain("taxonomy", ["P", "Q"])),
    "a ranker's list": (RANKER, plain("ranker", ["i1"])),
    "a path of nested choices": (NESTED, plain("choices", [["P", "Q"]])),
    "a label for a magic wand": (
        WAND,
        [region("r", "magicwand", RLE, "box"), region("r", "labels", {**RLE, "labels": ["A"]})],
    ),
    "a control of a repeater": (
        REPEATER,
        [region("r", "choices", {"choices": ["x"]}, "label_0", "data_0")],
    ),
    "a message of a chat with toName": (
        CHAT,
        [region("r", "chatmessage", {"chatmessage": {"role": "user", "content": "x"}}, "data")],
    ),
    "a relation without direction": (TEXT, [*SPANS, {"type": "relation", "from_id": "a", "to_id": "b"}]),
    "a relation to nothing": (
        TEXT,
        [*SPANS, {"type": "relation", "from_id": "a", "to_id": "z", "direction": "right"}],
    ),
}


def errors(config: str, result: list[Json]) -> list[str]:
    return list(LabelInterface(config).validate_prediction({"result": result}, return_errors=True))


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted(case: str) -> None:
    assert errors(*ACCEPTED[case]) == []


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    assert errors(*REFUSED[case])
