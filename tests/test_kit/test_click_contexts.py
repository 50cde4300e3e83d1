"""The contexts of clicks have what Label Studio's page sends for each kind of smart control."""

import pytest

from label_studio_ml import regions, samples
from label_studio_ml.test_kit.trial_data.click_contexts import clicks

from .planted_faults import CONFIGS

SIZE = (200.0, 100.0)


def test_clicks_and_a_box_for_smart_controls_only() -> None:
    (task,) = samples.tasks(CONFIGS["click"], 1)
    point, both, negative, box = clicks(CONFIGS["click"], task, SIZE)
    assert [region["is_positive"] for region in both.regions] == [True, False]
    assert [region["is_positive"] for region in point.regions + negative.regions] == [True, False]
    assert regions.key_point_of(point.regions[0]) == (100, 50)
    assert point.regions[0]["value"]["keypointlabels"] == ["Cat"]
    assert (box.regions[0]["type"], box.regions[0]["from_name"]) == ("rectanglelabels", "drag")
    assert regions.box_of(box.regions[0]).xyxy == (50, 25, 150, 75)
    assert box.context == {"result": box.regions}
    assert "is_positive" not in box.regions[0]


@pytest.mark.parametrize("tag", ["PolygonLabels", "EllipseLabels", "BrushLabels"])
def test_regions_of_other_smart_controls(tag: str) -> None:
    config = (
        f'<View><Image name="i" valueList="$i"/><{tag} name="drawn" toName="i" smart="true">'
        f'<Label value="A"/></{tag}><Rectangle name="box" toName="i"/></View>'
    )
    (task,) = samples.tasks(config, 1)
    (click,) = clicks(config, task, SIZE)
    assert [(region["type"], region["origin"]) for region in click.regions] == [(tag.lower(), "manual")]


def test_no_clicks_without_a_smart_control() -> None:
    assert clicks('<View><Image name="i" value="$i"/><Rectangle name="b" toName="i"/></View>', {}, SIZE) == []
