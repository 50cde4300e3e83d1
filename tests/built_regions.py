"""Regions of every control tag, made by hand of the builders, for tests that check them against a label config."""

from collections.abc import Callable
from typing import Any

import numpy as np

from label_studio_ml import regions
from label_studio_ml.controls import Control, Controls
from label_studio_ml.protocol.control_tags import Geometry
from label_studio_ml.regions.item_ranking import item_ids
from label_studio_ml.regions.region import Region

Task = dict[str, Any]
Build = Callable[[Control, Controls, Task], list[Region | None]]

#: Width and height of the picture, video or page in the examples.
SIZE = (400, 200)

#: Numbers and a truth value in the data of a task, and what the page shows of them in a `<Text>`.
SHOWN_NUMBERS: dict[float, str] = {
    True: "true",
    5: "5",
    2024.0: "2024",
    -0.5: "-0.5",
    -0.0: "0",
    1e20: "100000000000000000000",
    1e21: "1e+21",
    1e-6: "0.000001",
    1.5e-9: "1.5e-9",
    1e-7: "1e-7",
    123456789.125: "123456789.125",
    12345678901234567890: "12345678901234567890",
    10**25: "10000000000000000000000000",
}

#: What the example of each object tag shows.
EXAMPLES: dict[str, Any] = {
    "Text": "Ann saw 😀 Bob",
    "HyperText": "<p>Ann &amp; Bob</p><p>met</p>",
    "Paragraphs": [{"author": "Ann", "text": "Hello there"}, {"author": "Bob", "text": "Good bye"}],
    "List": [{"id": "a", "title": "A"}, {"id": 2, "title": "B"}, {"id": "c", "title": "C"}],
    "Chat": [],
}


def task_for(controls: Controls) -> Task:
    """Return a task with a value for each field that the label config names."""
    data: dict[str, Any] = {}
    for item in controls.objects:
        if item.field:
            data[item.field] = EXAMPLES.get(item.tag, f"https://example.org/{item.tag}")
    for control in controls:
        if control.labels_field:
            data[control.labels_field] = [{"value": "First"}, {"value": "Second"}]
    return {"id": 1, "data": data}


def label(control: Control) -> Any:
    """Return the last label of a control; of a control that takes any, some label; None for one without labels."""
    if not control.kind.labels_field:
        return None
    return control.label_names[-1] if control.label_names else "Any"


def box(control: Control, controls: Controls, task: Task) -> list[Region | None]:
    return [regions.box(control, xyxy=(10, 20, 110, 80), size=SIZE, label=label(control), score=0.5)]


def ellipse(control: Control, controls: Controls, task: Task) -> list[Region | None]:
    return [regions.ellipse(control, center=(50, 60), radii=(20, 10), size=SIZE, label=label(control))]


def key_point(control: Control, controls: Controls, task: Task) -> list[Region | None]:
    return [regions.key_point(control, xy=(50, 60), size=SIZE, label=label(control))]


def polygon(control: Control, controls: Controls, task: Task) -> list[Region | None]:
    corners = [(10, 10), (90, 10), (50, 80)]
    return [regions.polygon(control, points=corners, size=SIZE, label=label(control))]


def vector(control: Control, controls: Controls, task: Task) -> list[Region | None]:
    return [regions.vector(control, points=[(1, 2), (30, 40)], size=SIZE, label=label(control))]


def mask(control: Control, controls: Controls, task: Task) -> list[Region | None]:
    pixels = np.zeros((SIZE[1], SIZE[0]), bool)
    pixels[20:40, 30:60] = True
    return [regions.mask(control, pixels, label=label(control))]


def page_box(control: Control, controls: Controls, task: Task) -> list[Region | None]:
    shape = (10, 20, 110, 80)
    return [regions.page_box(control, page=0, xyxy=shape, size=SIZE, text="Total", label=label(control))]


def track(control: Control, controls: Controls, task: Task) -> list[Region | None]:
    labels = controls.find("Labels", on="Video")
    frames, shapes = [0, 1], [(10, 20, 110, 80), (12, 20, 112, 80)]
    return [
        regions.track(
            control,
            frames=frames,
            xyxy=shapes,
            size=SIZE,
            fps=25,
            frame_count=10,
            label=label(labels) if labels is not None else None,
            labels_control=labels,
        )
    ]


def vector_track(control: Control, controls: Controls, task: Task) -> list[Region | None]:
    labels = None if control.kind.labels_field else controls.find("Labels", on="Video")
    lines = [[(1, 2), (30, 40)], [(1, 2), (30, 50)]]
    return [
        regions.vector_track(
            control,
            frames=[0, 1],
            points=lines,
            size=SIZE,
            fps=25,
            frame_count=10,
            label=label(control) if labels is None else label(labels),
            labels_control=labels,
        )
    ]


def timeline(control: Control, controls: Controls, task: Task) -> list[Region | None]:
    return [regions.frames(control, [(0, 9)], label(control))]


def segment(control: Control, controls: Controls, task: Task) -> list[Region | None]:
    return [regions.segment(control, 1, 2.5, label(control), score=0.5)]


def span(control: Control, controls: Controls, task: Task) -> list[Region | None]:
    return [regions.labelled_text(control, task).span(0, 3, label(control), score=0.5)]


def labels(control: Control, controls: Controls, task: Task) -> list[Region | None]:
    """Return regions of a `<Labels>`: a span or a segment, or a region of another control with the label attached."""
    tag = control.object.tag
    if tag in ("Text", "HyperText", "Paragraphs"):
        return span(control, controls, task)
    if tag in ("Audio", "TimeSeries"):
        return segment(control, controls, task)
    shape = _shape_on(control, controls)
    if tag == "Video":
        return REGIONS[shape.tag](shape, controls, task)  # the tracks take their label in the same call
    return attached(control, controls, task)


def attached(control: Control, controls: Controls, task: Task) -> list[Region | None]:
    """Return a region of another control, and what `control` says of it."""
    shape = _shape_on(control, controls)
    made = REGIONS[shape.tag](shape, controls, task)
    return [*made, *(regions.attach(region, control, _held(control)) for region in made if region)]


def _shape_on(control: Control, controls: Controls) -> Control:
    """Return the control that makes the regions which `control` says something of."""
    return next(
        other
        for other in controls
        if other.to_name == control.to_name
        and other.name != control.name
        and other.kind.geometry not in _HELD
        and not (control.tag == "Labels" and other.kind.labels_field)
    )


#: What a control that says something of a task or region holds in the examples, by kind.
_HELD: dict[Geometry, Any] = {
    Geometry.CHOICES: None,
    Geometry.TAXONOMY: None,
    Geometry.RATING: 3,
    Geometry.NUMBER: 1,
    Geometry.DATE_TIME: "2024-02-28",
    Geometry.TEXT: "Some words",
    Geometry.PAIR: "right",
}


def _held(control: Control) -> Any:
    value = _HELD.get(control.kind.geometry)
    return label(control) if value is None else value


def choices(control: Control, controls: Controls, task: Task) -> list[Region | None]:
    return [regions.choices(control.for_task(task), label(control.for_task(task)), score=0.5)]


def rating(control: Control, controls: Controls, task: Task) -> list[Region | None]:
    return [regions.rating(control, 3, score=0.5)]


def quantity(control: Control, controls: Controls, task: Task) -> list[Region | None]:
    return [regions.quantity(control, 2.5)]


def date_time(control: Control, controls: Controls, task: Task) -> list[Region | None]:
    return [regions.date_time(control, "2024-02-28")]


def texts(control: Control, controls: Controls, task: Task) -> list[Region | None]:
    return [regions.texts(control, "One", "Two")]


def pair(control: Control, controls: Controls, task: Task) -> list[Region | None]:
    return [regions.pair(control, "left")]


def ranking(control: Control, controls: Controls, task: Task) -> list[Region | None]:
    if control.buckets:
        return [regions.buckets(control, task, {control.buckets[0].name: item_ids(control, task)[-1:]})]
    return [regions.ranking(control, task, order=item_ids(control, task)[::-1])]


def relation(control: Control, controls: Controls, task: Task) -> list[Region | None]:
    shape = next(other for other in controls if other.kind.geometry not in (*_HELD, Geometry.RELATION))
    first, second = (REGIONS[shape.tag](shape, controls, task)[0] for _ in range(2))
    assert first is not None
    assert second is not None
    return [first, second, regions.relation(first, second, *control.label_names[:1])]


def chat(control: Control, controls: Controls, task: Task) -> list[Region | None]:
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    return [*regions.chat_messages(control, messages)]


def react_code(control: Control, controls: Controls, task: Task) -> list[Region | None]:
    return [regions.react_code(control, {"summary": "short", "mood": 3})]


#: For each tag of which predictions can have regions: how one is made.
REGIONS: dict[str, Build] = {
    **dict.fromkeys(("Rectangle", "RectangleLabels"), box),
    **dict.fromkeys(("Ellipse", "EllipseLabels"), ellipse),
    **dict.fromkeys(("KeyPoint", "KeyPointLabels"), key_point),
    **dict.fromkeys(("Polygon", "PolygonLabels"), polygon),
    **dict.fromkeys(("Vector", "VectorLabels"), vector),
    **dict.fromkeys(("Brush", "BrushLabels", "Bitmask", "BitmaskLabels", "MagicWand"), mask),
    "OcrLabels": page_box,
    "VideoRectangle": track,
    **dict.fromkeys(("VideoVector", "VideoVectorLabels"), vector_track),
    "TimelineLabels": timeline,
    "Labels": labels,
    **dict.fromkeys(("HyperTextLabels", "ParagraphLabels"), span),
    "TimeSeriesLabels": segment,
    **dict.fromkeys(("Choices", "Taxonomy"), choices),
    "Rating": rating,
    "Number": quantity,
    "DateTime": date_time,
    "TextArea": texts,
    "Pairwise": pair,
    "Ranker": ranking,
    "Relations": relation,
    "Chat": chat,
    "ReactCode": react_code,
}


def build(control: Control, controls: Controls, task: Task) -> list[Region]:
    """Return regions of a control, with those of another control if its values belong to a region."""
    made = REGIONS[control.tag]
    if control.is_per_region:
        made = attached
    elif control.labels_field:
        control = control.for_task(task)
    return [region for region in made(control, controls, task) if region is not None]
