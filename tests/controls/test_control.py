"""What a control knows of itself, its object and the conditions around it."""

import pytest

from label_studio_ml.controls import Condition, Controls
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.protocol.control_tags import Geometry

from .test_collection import CONFIG


def test_attributes_and_flags() -> None:
    controls = Controls(CONFIG)
    box, plate, mood = controls
    assert (box.tag, box.region_type, box.kind.geometry) == (
        "RectangleLabels",
        "rectanglelabels",
        Geometry.BOX,
    )
    assert (box.is_smart, plate.is_smart) == (True, False)
    assert (plate.is_per_region, mood.is_per_region) == (True, False)
    assert (mood.is_required, box.is_required) == (True, False)
    assert (mood.is_multiple, box.is_multiple) == (True, False)
    assert box.attributes["smart"] == "true"
    assert box.ancestors == ("View",)
    assert box.label_names == ["car", "Person"]
    assert [label.value for label in box.labels] == ["Car", "Person"]
    assert box.labels[1].attributes["background"] == "red"


def test_conditions_are_those_of_the_control_and_the_tags_around_it() -> None:
    controls = Controls(CONFIG)
    assert controls["box"].conditions == ()
    assert controls["plate"].conditions == (
        Condition("region"),
        Condition("label", "", ("car", "Person")),
    )
    nested = Controls(
        '<View><Text name="t" value="$t"/><Choices name="a" toName="t"><Choice value="x"/></Choices>'
        '<View visibleWhen="choice-selected" whenTagName="a" whenChoiceValue="x">'
        '<View visibleWhen="choice-selected" whenTagName="a"><Rating name="r" toName="t"/></View></View></View>'
    )
    assert nested["r"].conditions == (Condition("choice", "a", ("x",)), Condition("choice", "a"))
    assert nested["r"].ancestors == ("View", "View", "View")


@pytest.mark.parametrize(
    ("attributes", "condition"),
    [
        ('visibleWhen="choice-unselected"', Condition("choice", is_negated=True)),
        (
            'visibleWhen="choice-unselected" whenTagName="a" whenChoiceValue="x,y"',
            Condition("choice", "a", ("x", "y"), is_negated=True),
        ),
        ('visibleWhen="no-region-selected"', Condition("region", is_negated=True)),
        ('visibleWhen="region-selected" whenLabelValue="Car,Bus"', Condition("label", "", ("Car", "Bus"))),
        ('visibleWhen="region-selected" whenTagName="box"', Condition("region", "box")),
        (
            'visibleWhen="region-selected" whenTagName="box" whenLabelValue="Car"',
            Condition("label", "box", ("Car",)),
        ),
        (
            'visibleWhen="region-selected" whenRole="user,assistant"',
            Condition("role", "", ("user", "assistant")),
        ),
        ('visibleWhen="choice-selected" whenLabelValue="Car"', Condition("choice")),
        ('whenChoiceValue="x,y" whenTagName="a"', Condition("choice", "", ("x,y",))),
        ('perRegion="true" whenLabelValue="Car"', Condition("label", "", ("Car",))),
        (
            'perRegion="true" visibleWhen="region-selected" whenLabelValue="Car"',
            Condition("label", "", ("Car",)),
        ),
    ],
)
def test_conditions_are_read_as_label_studio_reads_them(attributes: str, condition: Condition) -> None:
    controls = Controls(
        f'<View><Text name="t" value="$t"/><TextArea name="r" toName="t" {attributes}/></View>'
    )
    assert controls["r"].conditions == (condition,)


@pytest.mark.parametrize(
    ("tag", "attributes"),
    [
        ("TextArea", 'whenTagName="a"'),  # without visibleWhen
        ("TextArea", 'whenLabelValue="Car"'),
        ("TextArea", 'visibleWhen="region-hovered"'),
        ("Rating", 'visibleWhen="region-selected" whenLabelValue="Car"'),  # it cannot be hidden
    ],
)
def test_what_label_studio_ignores_is_no_condition(tag: str, attributes: str) -> None:
    controls = Controls(f'<View><Text name="t" value="$t"/><{tag} name="r" toName="t" {attributes}/></View>')
    assert controls["r"].conditions == ()


def test_two_conditions_of_one_tag() -> None:
    controls = Controls(
        '<View><Text name="t" value="$t"/><TextArea name="r" toName="t" perRegion="true" '
        'visibleWhen="choice-selected" whenTagName="a" whenLabelValue="Car"/></View>'
    )
    assert controls["r"].conditions == (Condition("choice", "a"), Condition("label", "", ("Car",)))


def test_controls_are_equal_if_they_make_the_same_regions() -> None:
    box, again = Controls(CONFIG)["box"], Controls(CONFIG)["box"]
    assert box == again
    assert hash(box) == hash(again)
    mapped = box.map_labels({"0": "Person"})
    assert mapped != box
    assert mapped == again.map_labels({"0": "Person"})
    assert Controls(CONFIG.replace('background="red"', 'background="blue"'))["box"] != box
    assert len({box, again, mapped}) == 2


def test_the_value_of_a_task() -> None:
    box = Controls(CONFIG)["box"]
    assert box.value({"id": 1, "data": {"image": "a.png"}}) == "a.png"
    assert box.value({"image": "a.png"}) == "a.png"
    with pytest.raises(KeyError, match="no field 'image'; they have 'text'"):
        box.value({"id": 1, "data": {"text": "hello"}})


@pytest.mark.parametrize(
    ("source", "field", "value"),
    [
        ("$text", "text", "hello"),
        ("$review.body", "review.body", "nested"),
        ("$pages[1].url", "pages[1].url", "b"),
        ("$dotted.name", "dotted.name", "direct"),
        ("Question: $text?", "", "Question: hello?"),
        ("fixed", "", "fixed"),
    ],
)
def test_references_to_a_tasks_data(source: str, field: str, value: str) -> None:
    data = {
        "text": "hello",
        "review": {"body": "nested"},
        "pages": [{"url": "a"}, {"url": "b"}],
        "dotted.name": "direct",
        "dotted": {"name": "nested"},
    }
    control = Controls(f'<View><Text name="t" value="{source}"/><Rating name="r" toName="t"/></View>')["r"]
    assert control.field == field
    assert control.value({"data": data}) == value


def test_lists_and_urls() -> None:
    controls = Controls(
        '<View><Image name="i" valueList="$pages"/><Text name="t" value="$file" valueType="url"/>'
        '<Rating name="r" toName="i,t"/></View>'
    )
    pages, text = controls.objects
    assert (pages.field, pages.is_list, pages.is_url) == ("pages", True, False)
    assert (text.field, text.is_list, text.is_url) == ("file", False, True)


def test_a_control_without_its_object_says_so() -> None:
    control = Controls('<View><Rating name="r" toName="gone"/></View>')["r"]
    assert control.to_name == "gone"
    with pytest.raises(
        LabelConfigError, match="control 'r' labels 'gone', which the label config does not have"
    ):
        _ = control.object


def test_labels_that_come_with_the_task() -> None:
    control = Controls(
        '<View><Text name="t" value="$t"/><Choices name="c" toName="t" value="$options"/></View>'
    )["c"]
    assert (control.labels_field, control.has_own_labels, control.label_names) == ("options", False, [])
    assert control.label_map.name("anything") == "anything"
    task = {
        "data": {
            "options": [{"value": "Yes", "alias": "y"}, "No", {"value": "A", "children": [{"value": "B"}]}]
        }
    }
    own = control.for_task(task)
    assert own.has_own_labels
    assert own.label_names == ["y", "No", "A", "B"]
    assert own.label_map.name("yes") == "y"
    with pytest.raises(LabelConfigError, match="has no label 'maybe'"):
        own.label_map.name("maybe")
    none = control.for_task({"data": {"options": []}})
    assert none.has_own_labels
    with pytest.raises(LabelConfigError, match="The control 'c' has no label 'yes'; it has: none"):
        none.label_map.name("yes")
    with pytest.raises(KeyError, match="no field 'options'"):
        control.for_task({"data": {}})
    fixed = Controls(CONFIG)["box"]
    assert fixed.for_task({"data": {}}) is fixed


def test_the_value_of_a_text_area_is_no_field_with_labels() -> None:
    words = Controls('<View><Text name="t" value="$t"/><TextArea name="w" toName="t" value="$t"/></View>')[
        "w"
    ]
    assert words.labels_field == ""
    assert words.for_task({"data": {}}) is words


def test_labels_from_a_server_are_open_ended() -> None:
    config = (
        '<View><Text name="t" value="$t"/><Taxonomy name="c" toName="t" apiUrl="https://example.com/labels">'
        '<Choice value="A"/></Taxonomy></View>'
    )
    control = Controls(config)["c"]
    assert not control.has_own_labels
    assert control.label_map.path(("B", "C")) == ("B", "C")


def test_the_buckets_of_a_ranker() -> None:
    controls = Controls(
        """<View><List name="list" value="$items"/><Ranker name="rank" toName="list">
        <Bucket name="good" title="Good"/><Bucket name="rest" default="true"/></Ranker>
        <Ranker name="order" toName="list"/></View>"""
    )
    assert [(bucket.name, bucket.is_default) for bucket in controls["rank"].buckets] == [
        ("good", False),
        ("rest", True),
    ]
    assert controls["order"].buckets == ()
    assert controls["rank"].label_names == []


def test_names_of_attributes_are_read_in_any_case() -> None:
    controls = Controls(
        """<View><Text name="t" value="$t"/><Choices name="c" toName="t" allownested="true" perregion="true"
        Choice="multiple"/><Choices name="d" toName="t"/></View>"""
    )
    assert (controls["c"].has_paths, controls["c"].is_per_region, controls["c"].is_multiple) == (
        True,
        True,
        True,
    )
    assert (controls["d"].has_paths, controls["d"].is_per_region, controls["d"].is_multiple) == (
        False,
        False,
        False,
    )
    assert controls["d"].attribute("allowNested") == ""


@pytest.mark.parametrize("spelling", ["valueList", "valuelist", "VALUELIST"])
def test_names_of_attributes_of_an_object_are_read_in_any_case(spelling: str) -> None:
    control = Controls(
        f'<View><Image name="i" {spelling}="$pages"/><Rectangle name="b" toName="i"/>'
        '<Text name="t" value="$text" valuetype="url"/>'
        '<Choices name="c" toName="t"><Choice value="x"/></Choices></View>'
    )
    assert (control["b"].field, control["b"].object.is_list) == ("pages", True)
    assert control["c"].object.is_url
