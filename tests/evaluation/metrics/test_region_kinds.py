"""Which kind of metric a region has, by its control's tag and by its own type and fields."""

from typing import Any

import pytest

from label_studio_ml.evaluation.metrics.region_kinds import KINDS, kind_of, kind_of_tag


@pytest.mark.parametrize(
    ("region_type", "value", "kind"),
    [
        ("choices", {"choices": ["A"]}, "choices"),
        ("pairwise", {"selected": "left"}, "choices"),
        ("taxonomy", {"taxonomy": [["A"]]}, "taxonomy"),
        ("ranker", {"ranker": ["a"]}, "rankings"),
        ("polygonlabels", {"points": [[1, 1], [2, 2], [1, 3]]}, "polygons"),
        ("ellipselabels", {"x": 1, "y": 1, "radiusX": 1, "radiusY": 1}, "ellipses"),
        ("labels", {"x": 1, "y": 1, "radiusX": 1, "radiusY": 1, "labels": ["A"]}, "ellipses"),
        ("keypointlabels", {"x": 1, "y": 1, "width": 1}, "key points"),
        ("timelinelabels", {"ranges": [{"start": 1, "end": 2}]}, "frames"),
        ("bitmasklabels", {"imageDataURL": "data:"}, "bitmasks"),
        ("textarea", {"text": ["words"]}, "text"),
        ("rating", {"rating": 3}, "numbers"),
        ("number", {"number": 3}, "numbers"),
        ("rectanglelabels", {"x": 1, "y": 1, "width": 1, "height": 1}, "boxes"),
        ("labels", {"x": 1, "y": 1, "width": 1, "height": 1}, "boxes"),
        ("labels", {"start": 0, "end": 1}, "spans"),
        # The text or choice of one region, not of the task.
        ("textarea", {"text": ["words"], "x": 1, "y": 1, "width": 1, "height": 1}, None),
        ("choices", {"choices": ["A"], "start": 0, "end": 1}, None),
        ("ellipselabels", {"x": 1, "y": 1, "width": 1, "height": 1}, None),
        ("videorectangle", {"start": 0, "end": 1, "sequence": []}, None),
        ("brushlabels", {"rle": [1]}, "brush masks"),
        ("vectorlabels", {"vertices": []}, None),
        ("choices", None, "choices"),
        (None, {}, None),
    ],
)
def test_the_kind_of_a_region(region_type: Any, value: Any, kind: str | None) -> None:
    found = kind_of({"type": region_type, "value": value})
    assert (found.name if found is not None else None) == kind


def test_no_tag_or_name_is_in_two_rows() -> None:
    tags = [tag for kind in KINDS for tag in kind.tags]
    assert len(tags) == len(set(tags))
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    assert [kind_of_tag(tag) for kind in KINDS for tag in kind.tags] == [
        kind for kind in KINDS for _ in kind.tags
    ]
    assert kind_of_tag("Labels") is None  # spans of texts and of recordings, boxes of pictures
