"""Regions of every control tag, made by hand of the builders: annotations of sample tasks, and examples in tests."""

import base64
import csv
import io
from collections.abc import Callable
from typing import Any

from label_studio_ml import regions
from label_studio_ml.controls import Control, Controls
from label_studio_ml.protocol.control_tags import Geometry
from label_studio_ml.regions.item_ranking import item_ids
from label_studio_ml.regions.region import Region

Task = dict[str, Any]
Build = Callable[..., list[Region | None]]

#: Width and height of the picture, video or page in the examples.
SIZE = (400, 200)


def label(control: Control, number: int = -1) -> Any:
    """Return the label of a number, counted around; None for a control without labels."""
    if not control.kind.labels_field:
        return None
    names = control.label_names
    return names[number % len(names)] if names else "Any"


def box(control: Control, controls: Controls, task: Task, number: int = -1) -> list[Region | None]:
    """Return a box."""
    return [regions.box(control, xyxy=(10, 20, 110, 80), size=SIZE, label=label(control, number), score=0.5)]


def ellipse(control: Control, controls: Controls, task: Task, number: int = -1) -> list[Region | None]:
    """Return an ellipse."""
    return [
        regions.ellipse(control, center=(50, 60), radii=(20, 10), size=SIZE, label=label(control, number))
    ]


def key_point(control: Control, controls: Controls, task: Task, number: int = -1) -> list[Region | None]:
    """Return a key point."""
    return [regions.key_point(control, xy=(50, 60), size=SIZE, label=label(control, number))]


def polygon(control: Control, controls: Controls, task: Task, number: int = -1) -> list[Region | None]:
    """Return a polygon."""
    corners = [(10, 10), (90, 10), (50, 80)]
    return [regions.polygon(control, points=corners, size=SIZE, label=label(control, number))]


def vector(control: Control, controls: Controls, task: Task, number: int = -1) -> list[Region | None]:
    """Return a vector."""
    return [regions.vector(control, points=[(1, 2), (30, 40)], size=SIZE, label=label(control, number))]


def mask(control: Control, controls: Controls, task: Task, number: int = -1) -> list[Region | None]:
    """Return a brush mask."""
    import numpy as np

    pixels = np.zeros((SIZE[1], SIZE[0]), bool)
    pixels[20:40, 30:60] = True
    return [regions.mask(control, pixels, label=label(control, number))]


def page_box(control: Control, controls: Controls, task: Task, number: int = -1) -> list[Region | None]:
    """Return a box on a page."""
    shape = (10, 20, 110, 80)
    return [
        regions.page_box(control, page=0, xyxy=shape, size=SIZE, text="Total", label=label(control, number))
    ]


def track(control: Control, controls: Controls, task: Task, number: int = -1) -> list[Region | None]:
    """Return a track of a box."""
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
            label=label(labels, number) if labels is not None else None,
            labels_control=labels,
        )
    ]


def vector_track(control: Control, controls: Controls, task: Task, number: int = -1) -> list[Region | None]:
    """Return a track of a vector."""
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
            label=label(control, number) if labels is None else label(labels, number),
            labels_control=labels,
        )
    ]


def timeline(control: Control, controls: Controls, task: Task, number: int = -1) -> list[Region | None]:
    """Return an interval of frames."""
    return [regions.frames(control, [(0, 9)], label(control, number))]


def segment(control: Control, controls: Controls, task: Task, number: int = -1) -> list[Region | None]:
    """Return a segment of a sound or time series."""
    start, end = _interval(control, task, number)
    return [regions.segment(control, start, end, label(control, number), score=0.5)]


def _interval(control: Control, task: Task, number: int) -> tuple[Any, Any]:
    """Return two times of a time series that `samples` made; two seconds of any other object."""
    times = _times(control, task) if control.object.tag == "TimeSeries" else []
    if len(times) < 10:
        return 1, 2.5
    step = len(times) // 10
    first = step * (1 + 4 * (number % 2))
    return times[first], times[first + 2 * step]


def _times(control: Control, task: Task) -> list[Any]:
    """Return the times of a time series; none if it has no column of times."""
    column = control.object.attribute("timeColumn")
    value = task.get("data", {}).get(control.field)
    if isinstance(value, dict):
        values = value.get(column.lower(), [])
        return values if isinstance(values, list) else []
    if not column or not isinstance(value, str) or not value.startswith("data:"):
        return []
    text = base64.b64decode(value.partition(",")[2]).decode()
    separator = control.object.attribute("sep")[:1] or ","
    rows = list(csv.reader(io.StringIO(text), delimiter=separator))
    if column not in rows[0]:
        return []
    return [_number(row[rows[0].index(column)]) for row in rows[1:]]


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def span(control: Control, controls: Controls, task: Task, number: int = -1) -> list[Region | None]:
    """Return a span of a text."""
    return [regions.labelled_text(control, task).span(0, 3, label(control, number), score=0.5)]


def labels(control: Control, controls: Controls, task: Task, number: int = -1) -> list[Region | None]:
    """Return regions of a `<Labels>`: a span or a segment, or a region of another control with the label attached."""
    tag = control.object.tag
    if tag in ("Text", "HyperText", "Paragraphs"):
        return span(control, controls, task, number)
    if tag in ("Audio", "TimeSeries"):
        return segment(control, controls, task, number)
    shape = _shape_on(control, controls)
    if tag == "Video":
        return REGIONS[shape.tag](
            shape, controls, task, number
        )  # the tracks take their label in the same call
    return attached(control, controls, task, number)


def attached(control: Control, controls: Controls, task: Task, number: int = -1) -> list[Region | None]:
    """Return a region of another control, and what `control` says of it."""
    shape = _shape_on(control, controls)
    made = REGIONS[shape.tag](shape, controls, task, number)
    return [*made, *(regions.attach(region, control, _held(control, number)) for region in made if region)]


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


def _held(control: Control, number: int) -> Any:
    value = _HELD.get(control.kind.geometry)
    return label(control, number) if value is None else value


def choices(control: Control, controls: Controls, task: Task, number: int = -1) -> list[Region | None]:
    """Return a choice."""
    return [regions.choices(control.for_task(task), label(control.for_task(task), number), score=0.5)]


def rating(control: Control, controls: Controls, task: Task, number: int = -1) -> list[Region | None]:
    """Return a rating."""
    return [regions.rating(control, 3, score=0.5)]


def quantity(control: Control, controls: Controls, task: Task, number: int = -1) -> list[Region | None]:
    """Return a number."""
    return [regions.quantity(control, 2.5)]


def date_time(control: Control, controls: Controls, task: Task, number: int = -1) -> list[Region | None]:
    """Return a date."""
    return [regions.date_time(control, "2024-02-28")]


def texts(control: Control, controls: Controls, task: Task, number: int = -1) -> list[Region | None]:
    """Return two texts."""
    return [regions.texts(control, "One", "Two")]


def pair(control: Control, controls: Controls, task: Task, number: int = -1) -> list[Region | None]:
    """Return a chosen side."""
    return [regions.pair(control, "left")]


def ranking(control: Control, controls: Controls, task: Task, number: int = -1) -> list[Region | None]:
    """Return a ranking."""
    if control.buckets:
        return [regions.buckets(control, task, {control.buckets[0].name: item_ids(control, task)[-1:]})]
    return [regions.ranking(control, task, order=item_ids(control, task)[::-1])]


def relation(control: Control, controls: Controls, task: Task, number: int = -1) -> list[Region | None]:
    """Return two regions and their relation."""
    shape = next(other for other in controls if other.kind.geometry not in (*_HELD, Geometry.RELATION))
    first, second = (REGIONS[shape.tag](shape, controls, task, number)[0] for _ in range(2))
    assert first is not None
    assert second is not None
    return [first, second, regions.relation(first, second, *control.label_names[:1])]


def chat(control: Control, controls: Controls, task: Task, number: int = -1) -> list[Region | None]:
    """Return two messages of a chat."""
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    return [*regions.chat_messages(control, messages)]


def react_code(control: Control, controls: Controls, task: Task, number: int = -1) -> list[Region | None]:
    """Return data of own code."""
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


def build(control: Control, controls: Controls, task: Task, number: int = -1) -> list[Region]:
    """Return regions of a control, with those of another control if its values belong to a region.

    `number` chooses the label, and the place of a segment.
    """
    made = REGIONS[control.tag]
    if control.is_per_region:
        made = attached
    elif control.labels_field:
        control = control.for_task(task)
    return [region for region in made(control, controls, task, number) if region is not None]
