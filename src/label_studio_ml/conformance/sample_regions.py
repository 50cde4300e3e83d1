"""Regions as an annotator would draw them: for the annotations in events, and for clicks."""

import random
import warnings
from typing import Any

from label_studio_ml.controls.collection import Controls

Region = dict[str, Any]

#: Seed of the made-up regions.
_SEED = 1


def annotated_regions(label_config: str) -> list[Region]:
    """Return a region for each control that the SDK can make one for, the same in each run but for its id.

    The list is empty if the SDK can make none.
    """
    from label_studio_sdk.label_interface import LabelInterface

    state = random.getstate()
    random.seed(_SEED)  # the SDK has no generator of its own
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the SDK's own
            annotation = LabelInterface(label_config).generate_sample_annotation()
    except Exception:  # noqa: BLE001 - the SDK fails in many ways on tags that it does not know
        return []
    finally:
        random.setstate(state)
    regions = annotation["result"] if annotation else []
    return [_on_the_picture(region) for region in regions if isinstance(region, dict)]


def _on_the_picture(region: Region) -> Region:
    """Return a box cut off at the borders of its picture, as the SDK does not; other regions as they are."""
    value = region.get("value")
    if not isinstance(value, dict) or not {"x", "y", "width", "height", "rotation"} <= value.keys():
        return region
    size = {"width": min(value["width"], 100 - value["x"]), "height": min(value["height"], 100 - value["y"])}
    return {**region, "value": {**value, **size, "rotation": 0}}


def clicked_regions(controls: Controls, regions: list[Region]) -> list[Region]:
    """Return what the context of a click has: the region of a smart control if there is one, else any region.

    A key point is a positive click, as Label Studio's page marks it.
    """
    smart = {control.name for control in controls if control.is_smart}
    clicked = [region for region in regions if region["from_name"] in smart] or regions
    return [
        {**region, "is_positive": True} if str(region["type"]).startswith("keypoint") else region
        for region in clicked[:1]
    ]
