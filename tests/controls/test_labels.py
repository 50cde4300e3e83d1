"""From a model's labels to those of a control."""

import logging
from collections.abc import Callable

import numpy as np
import pytest

from label_studio_ml.controls import Controls
from label_studio_ml.errors import LabelConfigError
from time_growth import time_growth

from .test_collection import CONFIG

TAXONOMY = """
<View><Text name="t" value="$t"/><Taxonomy name="kind" toName="t">
  <Choice value="Animals"><Choice value="Cat" predicted_values="kitten"/><Choice value="Other"/></Choice>
  <Choice value="Plants"><Choice value="Other"/></Choice>
</Taxonomy></View>
"""


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("car", "car"),
        ("Car", "car"),
        ("CAR", "car"),
        ("automobile", "car"),
        ("Truck", "car"),
        ("person", "Person"),
    ],
)
def test_labels_are_found_by_predicted_values_names_and_values(label: str, name: str) -> None:
    assert Controls(CONFIG)["box"].label_map.name(label) == name


def test_a_mapping_comes_first() -> None:
    box = Controls(CONFIG)["box"].map_labels({"automobile": "Person", "0": "car"})
    assert box.label_map.name("automobile") == "Person"
    assert box.label_map.name(0) == "car"
    assert box.label_map.name("truck") == "car"
    with pytest.raises(
        LabelConfigError, match="mapping names the label 'Bus', which the control 'box' does not have"
    ):
        Controls(CONFIG)["box"].map_labels({"x": "Bus"})


def test_an_exact_match_comes_before_one_without_regard_to_case() -> None:
    config = (
        '<View><Text name="t" value="$t"/><Choices name="c" toName="t">'
        '<Choice value="us" predicted_values="X"/><Choice value="US"/><Choice value="x"/></Choices></View>'
    )
    labels = Controls(config)["c"].label_map
    assert [labels.name(label) for label in ("us", "US", "X", "x")] == ["us", "US", "us", "x"]


def test_an_unknown_label_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(LabelConfigError) as raised:
        Controls(CONFIG)["box"].label_map.name("bus")
    assert "The control 'box' has no label 'bus'; it has: car, Person" in str(raised.value)
    assert "predicted_values" in raised.value.fix


def test_an_unknown_label_can_be_dropped_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    box = Controls(CONFIG)["box"].map_labels(unknown="drop")
    with caplog.at_level(logging.WARNING):
        assert box.label_map.names(["bus", "car", "bus", "automobile"]) == ["car"]
        assert box.label_map.name("bus") is None
    assert len(caplog.records) == 1
    assert "no label 'bus'" in caplog.text
    with pytest.raises(ValueError, match='unknown must be "error" or "drop"'):
        Controls(CONFIG)["box"].map_labels(unknown="ignore")  # type: ignore[arg-type]


def test_nested_labels_have_paths() -> None:
    kind = Controls(TAXONOMY)["kind"]
    assert kind.label_names == ["Animals", "Cat", "Other", "Plants"]
    labels = kind.label_map
    assert labels.path("kitten") == ("Animals", "Cat")
    assert labels.path("Other") == ("Animals", "Other")
    assert labels.path(["Plants", "Other"]) == ("Plants", "Other")
    assert labels.path("Plants") == ("Plants",)
    with pytest.raises(LabelConfigError, match="no label 'Plants / Cat'"):
        labels.path(("Plants", "Cat"))


def test_a_dropped_label_is_logged_once_also_if_each_call_of_predict_maps_the_labels_anew(
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = CONFIG.replace('"Person"', '"Pedestrian"')
    for _ in range(3):
        assert Controls(config)["box"].map_labels(unknown="drop").label_map.name("tram") is None
    assert len(caplog.records) == 1
    assert "it has: car, Pedestrian" in caplog.text


@pytest.mark.parametrize("label", [2, 2.0, np.float32(2), np.int64(2), np.array(2), np.array(2.0)])
def test_a_number_of_a_class_is_found_whatever_its_type(label: object) -> None:
    assert Controls(CONFIG)["box"].map_labels({"2": "Person"}).label_map.name(label) == "Person"


def test_a_label_that_is_written_as_a_fraction_is_found_first() -> None:
    config = (
        '<View><Text name="t" value="$t"/><Choices name="c" toName="t">'
        '<Choice value="2"/><Choice value="2.0"/></Choices></View>'
    )
    labels = Controls(config)["c"].label_map
    assert [labels.name(label) for label in (2, 2.0)] == ["2", "2.0"]
    with pytest.raises(LabelConfigError, match=r"has no label '2\.5'"):
        labels.name(2.5)


def test_the_same_label_twice_has_the_predicted_values_of_both() -> None:
    config = (
        '<View><Text name="t" value="$t"/><Choices name="c" toName="t">'
        '<Choice value="A" predicted_values="x"/><Choice value="A" predicted_values="y"/></Choices></View>'
    )
    assert Controls(config)["c"].label_map.names(["x", "y"]) == ["A"]


def test_mapping_thousands_of_labels_does_not_search_all_of_them_for_each() -> None:
    def prepare(count: int) -> Callable[[], object]:
        choices = "".join(f'<Choice value="choice {number}"/>' for number in range(count))
        config = f'<View><Text name="t" value="$t"/><Choices name="c" toName="t">{choices}</Choices></View>'
        control = Controls(config)["c"]
        names = {str(number): f"choice {number}" for number in range(count)}
        assert control.map_labels(names).label_map.name(count - 1) == f"choice {count - 1}"
        return lambda: control.map_labels(names)

    assert time_growth(prepare, 500, 8000) < 16 * 5
