"""Regions that the builders make: shown by the labelling page, submitted, and read back from the annotation."""

from typing import Any

import numpy as np
import pytest

from label_studio_ml import regions
from label_studio_ml.controls import Control, Controls

from .labelling import Labelling
from .test_control_facts import COLUMNS
from .test_image_facts import DATA, LINE, RED, drawn_at

SIZE = (400, 200)


def stored_region(labelling: Labelling) -> dict[str, Any]:
    """Return the first region of the annotation that was submitted of the open prediction."""
    stored: dict[str, Any] = labelling.submit().stored[0]
    return stored


def open_built(labelling: Labelling, config: str, data: Any, *built: Any) -> None:
    labelling.open(config, data, regions.prediction(*built)["result"])


def image_control(tag: str, attributes: str = "") -> tuple[str, Control]:
    config = RED.format(tag, attributes)
    return config, Controls(config)["label"]


@pytest.mark.soak
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"parents": [None, 0, 0]},
        {"handles": [None, ((200, 20), (240, 60)), None]},
        {"closed": True},
    ],
)
def test_vectors(labelling: Labelling, arguments: dict[str, Any]) -> None:
    config, control = image_control("VectorLabels", f'{LINE} closable="true" curves="true" skeleton="true"')
    corners = [(40, 20), (240, 20), (240, 160)]
    built = regions.vector(control, points=corners, size=SIZE, label="A", **arguments)
    open_built(labelling, config, DATA, built)
    drawn_at(labelling, 1.5, left=10, right=60, bottom=80)
    assert built is not None
    assert regions.vector_of(stored_region(labelling)) == regions.vector_of(built)


LIST = (
    '<View><List name="data" value="$items" title="t"/><Ranker name="rank" toName="data">{}</Ranker></View>'
)
TASK = {"data": {"items": [{"id": 1, "title": "a"}, {"id": "b", "title": "b"}, {"id": "c", "title": "c"}]}}


@pytest.mark.soak
def test_rankings(labelling: Labelling) -> None:
    config = LIST.format("")
    built = regions.ranking(Controls(config)["rank"], TASK, order=["c", 1])
    open_built(labelling, config, TASK["data"], built)
    labelling.shows(COLUMNS, [["c", "1", "b"]])
    assert regions.order_of(stored_region(labelling)) == ["c", "1", "b"]


@pytest.mark.soak
@pytest.mark.parametrize(
    ("default", "columns"), [("false", [["1", "c"], ["b"], []]), ("true", [["b"], ["1", "c"]])]
)
def test_buckets(labelling: Labelling, default: str, columns: list[list[str]]) -> None:
    config = LIST.format(f'<Bucket name="good" title="g"/><Bucket name="bad" title="b" default="{default}"/>')
    built = regions.buckets(Controls(config)["rank"], TASK, {"good": ["b"]})
    open_built(labelling, config, TASK["data"], built)
    labelling.shows(COLUMNS, columns)
    assert built is not None
    assert regions.buckets_of(stored_region(labelling)) == regions.buckets_of(built)


@pytest.mark.soak
def test_masks_of_a_magic_wand(labelling: Labelling) -> None:
    config = """<View><Image name="data" value="$image"/><MagicWand name="wand" toName="data"/>
        <Labels name="label" toName="data"><Label value="A" background="#ff0000"/></Labels></View>"""
    controls = Controls(config)
    pixels = np.zeros((200, 400), bool)
    pixels[40:100, 40:80] = True
    built = regions.mask(controls["wand"], pixels)
    open_built(labelling, config, DATA, built, regions.attach(built, controls["label"], "A"))
    drawn_at(labelling, left=10, top=20, right=20, bottom=50)
    assert (regions.mask_of(stored_region(labelling)) == pixels).all()


@pytest.mark.soak
def test_nested_choices(labelling: Labelling) -> None:
    config = """<View><Text name="data" value="$text"/><Choices name="label" toName="data" allowNested="true">
        <Choice value="P"><Choice value="Q"/><Choice value="R"/></Choice><Choice value="S"/></Choices></View>"""
    built = regions.choices(Controls(config)["label"], "Q")
    open_built(labelling, config, {"text": "words"}, built)
    chosen = "() => SELECTED.names.get('label').selectedLabels.map((choice) => choice.resultValue)"
    labelling.shows(chosen, [["P", "Q"]])
    assert stored_region(labelling)["value"] == {"choices": [["P", "Q"]]}
