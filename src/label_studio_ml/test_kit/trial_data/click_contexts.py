"""Contexts of interactive requests: what Label Studio sends when an annotator uses a smart tool."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from label_studio_ml.controls import Control, Controls
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.protocol.control_tags import Geometry
from label_studio_ml.regions.region import Region
from label_studio_ml.test_kit.example_regions import build

Json = dict[str, Any]

#: Corners of the drawn box, and the places of the first and second click, in percent of the picture.
_BOX = (25.0, 25.0, 75.0, 75.0)
_FIRST, _SECOND = (50.0, 50.0), (20.0, 80.0)
_DOT = 0.5

#: A region of a control that no label config has.
UNKNOWN_REGION: Json = {
    "id": "unknown",
    "type": "starlabels",
    "from_name": "star",
    "to_name": "picture",
    "origin": "manual",
    "value": {"points": 5, "starlabels": ["Star"]},
}


@dataclass(frozen=True, slots=True)
class Click:
    """What an annotator has drawn with a smart tool: its name in messages, and the regions of the context.

    `shows` is what the answer has to be near: left, top, right, bottom in percent of the picture; None if unknown.
    """

    name: str
    regions: list[Json]
    shows: tuple[float, float, float, float] | None = None

    @property
    def context(self) -> Json:
        """The context of the request."""
        return {"result": self.regions}


def clicks(label_config: str, task: Json, size: tuple[float, float]) -> list[Click]:
    """Return what an annotator may draw with each smart control on a task, whose picture has this `size` in pixels."""
    controls = Controls(label_config)
    smart = [control.for_task(task) for control in controls if control.is_smart]
    return [click for control in smart for click in _of(control, controls, task, size)]


def _of(control: Control, controls: Controls, task: Json, size: tuple[float, float]) -> Iterator[Click]:
    tag = f"<{control.tag} name={control.name!r}>"
    geometry = control.kind.geometry
    if geometry is Geometry.KEY_POINT:
        first = _point(control, _FIRST, size, positive=True)
        yield Click(f"a click with {tag}", [first], (*_FIRST, *_FIRST))
        second = _point(control, _SECOND, size, positive=False)
        yield Click(f"a click with {tag} and a negative one", [first, second])
        yield Click(f"a negative click with {tag}", [second])
    elif geometry is Geometry.BOX:
        left, top, right, bottom = _BOX
        value = {"x": left, "y": top, "width": right - left, "height": bottom - top, "rotation": 0}
        yield Click(f"a box with {tag}", [_region(control, value, size)], _BOX)
    else:
        try:
            made: list[Region] = build(control, controls, task, 0)
        except (LabelConfigError, ValueError, TypeError, LookupError, StopIteration):
            return  # the control needs what a sample does not have
        yield Click(f"a region with {tag}", [{**region, "origin": "manual"} for region in made])


def _point(
    control: Control, place: tuple[float, float], size: tuple[float, float], *, positive: bool
) -> Json:
    value = {"x": place[0], "y": place[1], "width": _DOT}
    return {**_region(control, value, size), "is_positive": positive}


def _region(control: Control, value: Json, size: tuple[float, float]) -> Json:
    field = control.kind.labels_field
    labels = {field: control.label_names[:1]} if field else {}
    place = {"item_index": 0} if control.object.is_list else {}
    return {
        "id": f"drawn-{value['x']:g}",
        "type": control.region_type,
        "from_name": control.name,
        "to_name": control.to_name,
        "original_width": round(size[0]),
        "original_height": round(size[1]),
        "image_rotation": 0,
        "origin": "manual",
        "value": {**value, **labels},
        **place,
    }
