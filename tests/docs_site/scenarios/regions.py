"""docs/regions.md: each builder, with controls of a real label config."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from label_studio_ml import regions, samples
from label_studio_ml.controls import Control, Controls

from ..snippets import RETURNED, Snippet, scenario
from .material import untrained

SIZE = (200, 100)
ROAD = np.zeros((100, 200), bool)
ROAD[10:30, 20:60] = True


def control(tag: str, on: str = "Image", **attributes: str) -> Control:
    """Return the control of a label config with this tag, labels and object."""
    more = " ".join(f'{name}="{value}"' for name, value in attributes.items())
    labels = "".join(f'<Label value="{name}"/>' for name in ("Road", "Person", "Total", "nose", "left eye"))
    xml = f'<View><{on} name="o" value="$x"/><{tag} name="c" toName="o" {more}>{labels}</{tag}></View>'
    return Controls(xml)[0]


BOX = control("RectangleLabels")


@scenario("docs/regions.md", "array, names, scores = detect(each.path)")
def boxes_of_a_detector(snippet: Snippet) -> None:
    xml = """<View><Image name="photo" value="$image"/>
    <RectangleLabels name="box" toName="photo"><Label value="Car"/></RectangleLabels></View>"""

    def detect(path: str) -> Any:
        return np.array([[1, 2, 11, 12], [3, 4, 9, 9]]), ["Car", "Car"], [0.9, 0.2]

    model = snippet.model(xml, globals={"detect": detect})
    predictions = model.predict(samples.tasks(xml, 2))
    assert [len(each["result"]) for each in predictions] == [1, 1], "the second box is below min_score"
    assert regions.box_of(predictions[0]["result"][0]).xyxy == pytest.approx((1, 2, 11, 12))


@scenario("docs/regions.md", "box = regions.box_of(region)")
def a_box_in_pixels(snippet: Snippet) -> None:
    region = regions.box(BOX, xyxy=(10, 20, 30, 60), size=SIZE, label="Person")
    box = snippet.run(region=region)["box"]
    assert (box.xyxy, box.xywh, box.cxcywh) == ((10, 20, 30, 60), (10, 20, 20, 40), (20, 40, 20, 40))
    assert (box.rotation, len(box.corners)) == (0, 4)


@scenario("docs/regions.md", "person = regions.box(self.box")
def a_pose(snippet: Snippet) -> None:
    found: list[Any] = []
    snippet.run(
        self=SimpleNamespace(box=BOX, points=control("KeyPointLabels")),
        box=(10, 20, 30, 60),
        image=SIZE,
        array=np.array([[12, 25, 2], [15, 25, 2], [18, 25, 0]]),
        names=["nose", "left eye", "right eye"],
        predictions=found,
    )
    (prediction,) = found
    person, *parts = prediction["result"]
    points = [part for part in parts if part["type"] == "keypointlabels"]
    assert [point["value"]["keypointlabels"] for point in points] == [["nose"], ["left eye"]]
    assert {point["parentID"] for point in points} == {person["id"]}
    assert [part["type"] for part in parts].count("relation") == 1


@scenario("docs/regions.md", "regions.vector(control, points=[(10, 80)")
def vectors(snippet: Snippet) -> None:
    road = control("VectorLabels", skeleton="true")
    pose = [(50, 10), (50, 20), (40, 30), (60, 30)]
    region = regions.vector(road, points=pose, parents=[None, 0, 1, 1], size=SIZE, label="Person")
    vector = snippet.run(control=road, image=SIZE, pose=pose, region=region)["vector"]
    assert [tuple(round(number) for number in point) for point in vector.points] == pose
    assert list(vector.parents) == [None, 0, 1, 1]
    assert (list(vector.edges), vector.closed) == ([(0, 1), (1, 2), (1, 3)], False)


@scenario("docs/regions.md", "regions.mask(control, array, threshold=0.5")
def masks(snippet: Snippet) -> None:
    brush = control("BrushLabels")
    region = regions.mask(brush, ROAD, label="Road")
    snippet.run(
        control=brush,
        array=np.where(ROAD, 0.8, 0.1),
        arrays=[ROAD, ROAD],
        names=["Road", "Person"],
        scores=[0.9, 0.2],
        region=region,
    )
    assert region is not None
    assert (regions.mask_of(region) == ROAD).all()


@scenario("docs/regions.md", "found = [regions.mask(control, array == number")
def semantic_segmentation(snippet: Snippet) -> None:
    found = snippet.run(
        control=control("BrushLabels"), array=np.where(ROAD, 1, 2), names=["none", "Road", "Person"]
    )
    (prediction,) = found[RETURNED]
    road, rest = prediction["result"]
    assert (regions.mask_of(road) == ROAD).all()
    assert rest["value"]["brushlabels"] == ["Person"]


@scenario("docs/regions.md", "regions.polygons(control, array")
def polygons(snippet: Snippet) -> None:
    road = control("PolygonLabels")
    (region,) = regions.polygons(road, ROAD, tolerance=0, label="Road")
    snippet.run(control=road, array=ROAD, region=region)
    assert (regions.mask_of(region) == ROAD).all()
    assert len(regions.polygon_of(region)) == 4


@scenario("docs/regions.md", "for line in lines:")
def recognised_text(snippet: Snippet) -> None:
    controls = untrained("""<View><Image name="photo" value="$image"/><Rectangle name="box" toName="photo"/>
    <Labels name="label" toName="photo"><Label value="Text"/></Labels>
    <TextArea name="text" toName="photo" perRegion="true"/></View>""").controls
    found: list[Any] = []
    snippet.run(
        self=SimpleNamespace(box=controls["box"], label=controls["label"], text=controls["text"]),
        lines=[SimpleNamespace(box=(10, 20, 90, 40), score=0.9, text="Hello")],
        image=SIZE,
        found=found,
    )
    assert [region["type"] for region in found] == ["rectangle", "labels", "textarea"]
    assert len({region["id"] for region in found}) == 1
    assert found[2]["value"]["text"] == ["Hello"]


@scenario("docs/regions.md", "regions.page_box(control, page=0")
def boxes_on_pages(snippet: Snippet) -> None:
    on_page = control("OcrLabels", on="Pdf")
    region = regions.page_box(
        on_page, page=0, xyxy=(72, 90, 300, 110), size=(612, 792), label="Total", text="12.50"
    )
    snippet.run(control=on_page, region=region)
    assert region is not None
    back = regions.page_box_of(region, size=(612, 792))
    assert (back.page, back.text) == (0, "12.50")
    assert back.box.xyxy == pytest.approx((72, 90, 300, 110))


@scenario("docs/regions.md", "regions.ranking(control, task, scores=")
def rankings(snippet: Snippet) -> None:
    """The lines on `ranking` are for a ranker without buckets, which `regions.buckets` needs."""
    config = """<View><List name="answers" value="$answers"/><Ranker name="rank" toName="answers"/></View>"""
    bucketed = """<View><List name="answers" value="$answers"/><Ranker name="rank" toName="answers">
    <Bucket name="relevant"/><Bucket name="biased"/></Ranker></View>"""
    ranker = Controls(config)["rank"]
    task = {"id": 1, "data": {"answers": [{"id": name, "title": name} for name in "abc"]}}
    scores = SimpleNamespace(scores=lambda query, answers: [0.1, 0.9, 0.5])
    with_buckets = Controls(bucketed)["rank"]
    choosing = SimpleNamespace(
        ranking=regions.ranking,
        buckets=lambda control, *arguments: regions.buckets(with_buckets, *arguments),
    )
    snippet.run(control=ranker, task=task, model=scores, query="?", answers=["a", "b", "c"], regions=choosing)

    def order(**arguments: Any) -> list[str]:
        region = regions.ranking(ranker, task, **arguments)
        assert region is not None
        return list(regions.order_of(region))

    assert order(scores=[0.1, 0.9, 0.5]) == ["b", "c", "a"]
    assert order(order=["b", "a"]) == ["b", "a", "c"]
    region = regions.buckets(with_buckets, task, {"relevant": ["b"], "biased": []})
    assert region is not None
    assert regions.buckets_of(region)["relevant"] == ["b"]


@scenario("docs/regions.md", "regions.chat_messages(control, [")
def chats(snippet: Snippet) -> None:
    """The lines on chats are for a `<Chat>`, the last one is for a `<ReactCode>`."""
    chat = Controls('<View><Chat name="chat" value="$messages"/></View>')[0]
    code = Controls('<View><ReactCode name="code" toName="code" data="$data"/></View>')[0]
    moment = datetime(2026, 11, 1, tzinfo=UTC)
    choosing = SimpleNamespace(
        chat_messages=regions.chat_messages,
        chat_message=regions.chat_message,
        react_code=lambda control, data: regions.react_code(code, data),
    )
    snippet.run(control=chat, moment=moment, regions=choosing)
    message = regions.message_of(regions.chat_message(chat, "assistant", "Hello", created_at=moment))
    assert (message.role, message.content) == ("assistant", "Hello")


class StandInEntity(SimpleNamespace):
    """An entity of a spaCy document, with the names that `of_spacy` reads."""


@scenario("docs/regions.md", "content = regions.labelled_text(")
def spans(snippet: Snippet) -> None:
    config = """<View><Text name="text" value="$text"/>
    <Labels name="ner" toName="text"><Label value="PER"/></Labels></View>"""
    entity = StandInEntity(start_char=0, end_char=7, label_="PER", text="Ann Lee")
    content = snippet.run(
        self=untrained(config),
        task={"id": 1, "data": {"text": "Ann Lee sings"}},
        offsets=[(0, 7), (8, 13)],
        labels=["PER", "PER"],
        scores=[0.9, 0.2],
        tokens=["Ann", "Lee", "sings"],
        pipeline=lambda text: [
            {"entity": "B-PER", "score": 0.9, "index": 1, "word": "Ann", "start": 0, "end": 3}
        ],
        nlp=lambda text: SimpleNamespace(text=text, ents=[entity]),
    )["content"]
    assert content.offsets(content.span(0, 7, "PER", score=0.9)) == (0, 7)
    assert [content.offsets(each) for each in content.tagged(["Ann", "Lee"], ["B-PER", "I-PER"])] == [(0, 7)]


@scenario("docs/regions.md", 'box = regions.box(self.controls["box"]')
def several_controls_for_a_region(snippet: Snippet) -> None:
    model = untrained("""<View><Image name="photo" value="$image"/><Rectangle name="box" toName="photo"/>
    <Labels name="kind" toName="photo"><Label value="Title"/></Labels>
    <TextArea name="transcription" toName="photo" perRegion="true"/></View>""")
    (prediction,) = snippet.run(self=model, image=(400, 300))[RETURNED]
    assert [region["from_name"] for region in prediction["result"]] == ["box", "kind", "transcription"]
    assert len({region["id"] for region in prediction["result"]}) == 1
    json.dumps(prediction)
