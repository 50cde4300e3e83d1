"""Variants of a label config for the checks `two-projects` and `unknown-tags`."""

from label_studio_ml.controls import Controls
from label_studio_ml.test_kit.trial_data.config_variants import other_project, with_further_tags

CONFIG = """<View><Text name="text" value="$text"/>
<Labels name="spans" toName="text"><Label value="Person"/><Label value="$extra"/></Labels>
<Choices name="kind" toName="text" visibleWhen="region-selected" whenTagName="spans"><Choice value="Good"/></Choices>
<Taxonomy name="topic" toName="text"><Choice value="Sport"><Choice value="Ball"/></Choice></Taxonomy></View>"""


def test_another_project_has_other_names_and_labels_and_the_same_fields() -> None:
    text = other_project(CONFIG)
    controls = Controls(text)
    assert [(control.name, control.to_name) for control in controls] == [
        ("spans_2", "text_2"),
        ("kind_2", "text_2"),
        ("topic_2", "text_2"),
    ]
    assert {control.field for control in controls} == {"text"}
    assert controls["kind_2"].label_names == ["Good_2"]
    assert controls["topic_2"].label_names == ["Sport_2", "Ball_2"]
    assert 'whenTagName="spans_2"' in text
    assert 'value="$extra"' in text


def test_further_tags_leave_the_controls_as_they_are() -> None:
    before, after = Controls(CONFIG), Controls(with_further_tags(CONFIG))
    assert [control.name for control in after] == [*(control.name for control in before), "further_rating"]
    assert after["further_rating"].to_name == "text"
