"""Values for a whole task."""

import datetime
from typing import Any

import numpy as np
import pytest

from label_studio_ml.controls import Controls
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.regions.task_value import (
    best_choices,
    choices,
    date_time,
    pair,
    quantity,
    rating,
    texts,
)
from label_studio_ml.validation.region_checks import RegionChecks

CONFIG = """<View><Text name="t" value="$t"/><Text name="u" value="$u"/>
<Choices name="one" toName="t">
<Choice value="Good" predicted_values="1"/><Choice value="Bad" predicted_values="0"/></Choices>
<Choices name="many" toName="t" choice="multiple"><Choice value="a"/><Choice value="b"/><Choice value="c"/></Choices>
<Taxonomy name="kind" toName="t"><Choice value="A"><Choice value="B"/></Choice><Choice value="C"/></Taxonomy>
<Rating name="stars" toName="t" maxRating="3"/><Number name="count" toName="t" min="0" max="10"/>
<DateTime name="day" toName="t" only="date"/><DateTime name="time" toName="t"/>
<DateTime name="year" toName="t" format="%Y"/><TextArea name="summary" toName="t"/>
<Pairwise name="better" toName="t,u"/>
<Choices name="each" toName="t" perRegion="true"><Choice value="a"/></Choices></View>"""
CONTROLS = Controls(CONFIG)


def value(region: dict[str, Any] | None) -> dict[str, Any]:
    assert region is not None
    assert RegionChecks(CONFIG).refusal([region]) is None
    return dict(region["value"])


def test_choices() -> None:
    assert value(choices(CONTROLS["one"], 1, score=0.5)) == {"choices": ["Good"]}
    assert value(choices(CONTROLS["many"], "a", "C")) == {"choices": ["a", "c"]}
    assert choices(CONTROLS["many"]) is None
    assert choices(CONTROLS["many"].map_labels(unknown="drop"), "d") is None
    with pytest.raises(ValueError, match='takes one choice, not Good, Bad; choice="multiple" allows more'):
        choices(CONTROLS["one"], 1, 0)
    with pytest.raises(ValueError, match=r"as separate arguments, as in choices\(control, \*labels\)"):
        choices(CONTROLS["many"], ["a", "b"])
    with pytest.raises(LabelConfigError, match=r"belong to a region.*regions.attach\(region, control"):
        choices(CONTROLS["each"], "a")
    with pytest.raises(LabelConfigError, match="has no label 'd'"):
        choices(CONTROLS["many"], "d")
    with pytest.raises(LabelConfigError, match="holds no choices or taxonomy"):
        choices(CONTROLS["stars"], "a")


def test_taxonomies_have_paths() -> None:
    assert value(choices(CONTROLS["kind"], "b", "C")) == {"taxonomy": [["A", "B"], ["C"]]}
    assert value(choices(CONTROLS["kind"], ("A", "B"))) == {"taxonomy": [["A", "B"]]}


def test_the_choices_of_probabilities() -> None:
    region = best_choices(CONTROLS["one"], np.array([0.3, 0.7], dtype=np.float32), [0, 1])
    assert value(region) == {"choices": ["Good"]}
    assert region is not None
    assert region["score"] == pytest.approx(0.7)
    several = best_choices(CONTROLS["many"], [0.9, 0.2, 0.6], ["a", "b", "c"])
    assert value(several) == {"choices": ["a", "c"]}
    assert several is not None
    assert several["score"] == 0.6
    assert best_choices(CONTROLS["many"], [0.1, 0.2, 0.3], ["a", "b", "c"]) is None
    assert best_choices(CONTROLS["one"], [], []) is None
    assert best_choices(CONTROLS["one"], [0.3, 0.7], [0, 1], min_score=0.8) is None
    assert best_choices(CONTROLS["many"], [0.9, 0.2, 0.6], ["a", "b", "c"], min_score=0.7) is None
    for probabilities, message in (
        (0.9, "must have a row for each label, not 0.9"),
        ([[0.9]], "must be a number"),
    ):
        with pytest.raises(ValueError, match=f"probabilities {message}"):
            best_choices(CONTROLS["one"], probabilities, ["a"])
    with pytest.raises(ValueError, match=r"a name for each probability \(2\), not 1"):
        best_choices(CONTROLS["one"], [0.5, 0.5], ["a"])


def test_the_best_of_the_labels_that_the_control_has(caplog: pytest.LogCaptureFixture) -> None:
    names = ["neutral of the best", "Bad", "good"]
    dropping = CONTROLS["one"].map_labels(unknown="drop")
    region = best_choices(dropping, [0.7, 0.1, 0.2], names)
    assert value(region) == {"choices": ["Good"]}
    assert region is not None
    assert region["score"] == 0.2
    assert [record.message for record in caplog.records if "neutral of the best" in record.message]
    assert best_choices(dropping, [0.7, 0.1, 0.2], names, min_score=0.5) is None
    with pytest.raises(LabelConfigError, match="has no label 'neutral of the best'"):
        best_choices(CONTROLS["one"], [0.7, 0.1, 0.2], names)
    with pytest.raises(LabelConfigError, match="has none of the model's labels x, y; it has: Good, Bad"):
        best_choices(dropping, [0.7, 0.3], ["x", "y"])


def test_ratings_and_numbers() -> None:
    assert value(rating(CONTROLS["stars"], 3)) == {"rating": 3}
    assert value(quantity(CONTROLS["count"], 2.5)) == {"number": 2.5}
    assert value(quantity(CONTROLS["count"], np.int64(7))) == {"number": 7}
    for stars in (4, -1, 1.5, "x", None):
        with pytest.raises(ValueError, match="stars must be"):
            rating(CONTROLS["stars"], stars)
    with pytest.raises(ValueError, match=r"value must be within max=10 of .*, not 11"):
        quantity(CONTROLS["count"], 11)
    with pytest.raises(ValueError, match="value must be within min=0 of"):
        quantity(CONTROLS["count"], -1)


def test_dates_are_in_the_format_of_the_control() -> None:
    moment = datetime.datetime(2026, 11, 29, 13, 5, tzinfo=datetime.UTC)
    assert value(date_time(CONTROLS["day"], moment)) == {"datetime": "2026-11-29"}
    assert value(date_time(CONTROLS["time"], moment)) == {"datetime": "2026-11-29T13:05"}
    assert value(date_time(CONTROLS["year"], moment.date())) == {"datetime": "2026"}
    assert value(date_time(CONTROLS["day"], "2026-01-02")) == {"datetime": "2026-01-02"}
    with pytest.raises(ValueError, match="moment must be in the format %Y-%m-%d of"):
        date_time(CONTROLS["day"], "2.1.2026")
    with pytest.raises(
        ValueError, match=r"moment must be a date or a text in the format %Y-%m-%d of .*, not 5"
    ):
        date_time(CONTROLS["day"], 5)  # type: ignore[arg-type]


def test_texts_and_pairs() -> None:
    assert value(texts(CONTROLS["summary"], "one", "two")) == {"text": ["one", "two"]}
    assert texts(CONTROLS["summary"]) is None
    with pytest.raises(ValueError, match=r"value must be a text for .*, not 5"):
        texts(CONTROLS["summary"], 5)  # type: ignore[arg-type]
    assert value(pair(CONTROLS["better"], "right")) == {"selected": "right"}
    with pytest.raises(ValueError, match='side must be "left" or "right"'):
        pair(CONTROLS["better"], "both")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("build", "value"),
    [(choices, "x"), (rating, 2), (quantity, 2.5), (date_time, "2024-02-28"), (texts, "words")],
)
def test_values_of_one_of_several_pictures(build: Any, value: Any) -> None:
    tags = '<Choices name="choices" {}><Choice value="x"/></Choices><Rating name="rating" {}/>'
    tags += (
        '<Number name="quantity" {}/><DateTime name="date_time" only="date" {}/><TextArea name="texts" {}/>'
    )
    config = f'<View><Image name="i" valueList="$i"/>{tags}</View>'.replace("{}", 'toName="i" perItem="true"')
    made = build(Controls(config)[build.__name__], value, item_index=1)
    assert made["item_index"] == 1
    assert RegionChecks(config).findings([made], task={"data": {"i": ["a", "b"]}}) == []
    assert "item_index" not in build(Controls(config)[build.__name__], value)
