"""From a model's labels to those of a control."""

import logging

import pytest

from label_studio_ml.controls import Controls
from label_studio_ml.errors import LabelConfigError

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
