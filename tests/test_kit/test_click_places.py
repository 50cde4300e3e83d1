"""Where a region of an answer to a click is, in percent of its picture."""

from typing import Any

import numpy as np
import pytest

from label_studio_ml import regions
from label_studio_ml.controls import Controls
from label_studio_ml.test_kit.child.requests.click_checks import _is_elsewhere, _place

TAGS = ("Rectangle", "Ellipse", "KeyPoint", "Polygon", "Brush")
CONFIG = f"""<View><Image name="i" value="$i"/>{"".join(f'<{tag} name="{tag}" toName="i"/>' for tag in TAGS)}</View>"""
SIZE = (200, 100)


def made(tag: str) -> Any:
    control = Controls(CONFIG)[tag]
    inside = np.zeros((100, 200), bool)
    inside[10:30, 20:60] = True
    return {
        "Rectangle": lambda: regions.box(control, xyxy=(20, 10, 60, 30), size=SIZE),
        "Ellipse": lambda: regions.ellipse(control, center=(40, 20), radii=(20, 20), size=SIZE),
        "KeyPoint": lambda: regions.key_point(control, xy=(20, 10), size=SIZE),
        "Polygon": lambda: regions.polygon(control, points=[(20, 10), (60, 10), (40, 30)], size=SIZE),
        "Brush": lambda: regions.mask(control, inside),
    }[tag]()


PLACES = {
    "Rectangle": (10, 10, 30, 30),
    "Ellipse": (0, 0, 40, 40),
    "KeyPoint": (10, 10, 10, 10),
    "Polygon": (10, 10, 30, 30),
    "Brush": (10, 10, 30, 30),
}


@pytest.mark.parametrize("tag", TAGS)
def test_the_place_of_a_region(tag: str) -> None:
    assert _place(made(tag)) == pytest.approx(PLACES[tag])


def test_values_of_the_whole_task_have_no_place() -> None:
    assert _place({"type": "choices", "value": {"choices": ["A"]}}) is None
    assert _place({"type": "choices"}) is None


def test_an_answer_is_elsewhere_if_none_of_its_regions_is_near() -> None:
    box = made("Rectangle")
    assert not _is_elsewhere([box], (35, 20, 35, 20))
    assert _is_elsewhere([box], (50, 20, 50, 20))
    assert not _is_elsewhere([box, made("Ellipse")], (50, 20, 50, 20))
    assert not _is_elsewhere([{"value": {"choices": ["A"]}}], (50, 20, 50, 20))
