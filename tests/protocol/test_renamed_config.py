"""A label config with other names."""

import pytest

from label_studio_ml.errors import LabelConfigError
from label_studio_ml.protocol.label_config import parse_label_config
from label_studio_ml.protocol.renamed_config import renamed

CONFIG = """<View name="all"><Text name="text" value="$text"/><Text name="more" value="$more"/>
<Labels name="spans" toName="text"><Label value="Person"/><Label value="Org" alias="O"/><Label value="$extra"/></Labels>
<Choices name="kind" toName="text,more" perRegion="true" visibleWhen="region-selected" whentagname="spans"
whenLabelValue="Person, O"><Choice value="Good"/></Choices>
<TextArea name="why" toName="text" visibleWhen="choice-selected" whenTagName="kind" whenChoiceValue="Good"/></View>"""


def test_the_names_of_controls_change_wherever_they_are() -> None:
    text = renamed(CONFIG, "_b")
    parsed = parse_label_config(text)
    assert {name: control["to_name"] for name, control in parsed.items()} == {
        "spans_b": ["text"],
        "kind_b": ["text", "more"],
        "why_b": ["text"],
    }
    assert 'whentagname="spans_b"' in text
    assert 'whenTagName="kind_b"' in text
    assert parsed["spans_b"]["labels"] == parse_label_config(CONFIG)["spans"]["labels"]


def test_the_names_of_objects_change_if_wanted() -> None:
    parsed = parse_label_config(renamed(CONFIG, "_b", objects=True))
    assert parsed["kind_b"]["to_name"] == ["text_b", "more_b"]
    assert parsed["kind_b"]["inputs"] == parse_label_config(CONFIG)["kind"]["inputs"]


def test_labels_change_if_wanted_also_where_conditions_name_them() -> None:
    text = renamed(CONFIG, "_b", labels=True)
    parsed = parse_label_config(text)
    assert parsed["spans_b"]["labels"] == ["Person_b", "O_b", "$extra"]
    assert parsed["kind_b"]["labels"] == ["Good_b"]
    assert 'whenLabelValue="Person_b,O_b"' in text
    assert 'whenChoiceValue="Good_b"' in text


@pytest.mark.parametrize("config", ["<View>", "<!DOCTYPE a><View/>"])
def test_a_label_config_that_cannot_be_read_is_refused(config: str) -> None:
    with pytest.raises(LabelConfigError):
        renamed(config, "_b")
