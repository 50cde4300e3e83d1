"""Finding controls: by tag, by object, by name; what is said if there is none."""

import pytest

from label_studio_ml.controls import Controls, controls_of
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.model import LabelStudioMLBase

CONFIG = """
<View>
  <Image name="photo" value="$image"/>
  <Text name="caption" value="$text"/>
  <RectangleLabels name="box" toName="photo" smart="true">
    <Label value="Car" alias="car" predicted_values="automobile, truck"/>
    <Label value="Person" background="red"/>
  </RectangleLabels>
  <View visibleWhen="region-selected">
    <TextArea name="plate" toName="photo" perRegion="true" whenTagName="box" whenLabelValue="car,Person"/>
  </View>
  <Choices name="mood" toName="caption,photo" choice="multiple" required="true">
    <Choice value="good"/><Choice value="bad"/>
  </Choices>
  <Filter name="filter" toName="box"/>
</View>
"""


def test_controls_are_in_document_order_with_their_objects() -> None:
    controls = Controls(CONFIG)
    assert [control.name for control in controls] == ["box", "plate", "mood"]
    assert len(controls) == 3
    assert [item.name for item in controls.objects] == ["photo", "caption"]
    assert "box" in controls
    assert "filter" not in controls
    assert controls[0] is controls["box"]
    assert controls[0] in controls
    assert controls[1:] == (controls["plate"], controls["mood"])
    assert str(controls["mood"]) == '<Choices name="mood"> for <Text> and <Image>'


def test_the_first_control_of_a_tag_on_an_object() -> None:
    controls = Controls(CONFIG)
    assert controls.first("RectangleLabels", on="Image").name == "box"
    assert controls.first(("Taxonomy", "Choices"), on=("HyperText", "Text")).name == "mood"
    assert controls.first().name == "box"
    assert controls.first(on="Text").name == "mood"
    assert controls.find("Choices", on="Audio") is None
    assert [control.name for control in controls.all(on="Image")] == ["box", "plate", "mood"]
    assert [control.name for control in controls.all(per_region=True)] == ["plate"]
    assert [control.name for control in controls.all(per_region=False)] == ["box", "mood"]


def test_a_control_of_several_objects_is_returned_for_the_one_that_was_asked_for() -> None:
    controls = Controls(CONFIG)
    assert controls["mood"].to_name == "caption"
    assert controls["mood"].field == "text"
    on_image = controls.first("Choices", on="Image")
    assert (on_image.to_name, on_image.field) == ("photo", "image")
    assert [item.name for item in on_image.objects] == ["photo", "caption"]
    assert on_image.on("caption").to_name == "caption"
    with pytest.raises(LabelConfigError, match='labels <Image name="photo">, not Audio'):
        controls["box"].on("Audio")


@pytest.mark.parametrize(
    ("tag", "on", "per_region", "message"),
    [
        (
            "BrushLabels",
            "Image",
            None,
            'needs a <BrushLabels> for <Image>; the label config has <RectangleLabels name="box"> for <Image>',
        ),
        (("Choices", "Taxonomy"), ("Audio",), None, "needs a <Choices> or <Taxonomy> for <Audio>; the label"),
        ("Choices", (), True, "needs a <Choices> with perRegion; the label"),
    ],
)
def test_no_control_that_fits_is_an_error_that_names_both(
    tag: str, on: str, per_region: bool | None, message: str
) -> None:
    with pytest.raises(LabelConfigError) as raised:
        Controls(CONFIG).first(tag, on, per_region=per_region)
    assert message in str(raised.value)
    assert raised.value.field == "label_config"


def test_a_project_without_a_label_config_has_no_controls() -> None:
    for config in (None, "", " \n"):
        controls = Controls(config)
        assert list(controls) == []
        assert controls.find("Choices") is None
        with pytest.raises(
            LabelConfigError, match=r"This model needs a <Choices>; the label config is empty"
        ):
            controls.first("Choices")


def test_a_mistyped_tag_is_said_at_once() -> None:
    with pytest.raises(ValueError, match="no control tag 'RectanglesLabels'; did you mean 'RectangleLabels'"):
        Controls(CONFIG).find("RectanglesLabels")
    with pytest.raises(ValueError, match="no control tag 'Image'"):
        Controls(CONFIG).all("Image")


def test_an_unknown_name_is_an_error_with_the_known_ones() -> None:
    with pytest.raises(
        LabelConfigError, match=r"no control named 'boxes'; it has <RectangleLabels name=\"box\">"
    ):
        Controls(CONFIG)["boxes"]
    with pytest.raises(IndexError):
        Controls(CONFIG)[3]


def test_controls_of_a_repeater_are_found_by_their_numbered_names() -> None:
    controls = Controls(
        '<View><Repeater on="$pages" indexFlag="{{page}}"><Image name="image_{{page}}" value="$pages[{{page}}].url"/>'
        '<Choices name="kind_{{page}}" toName="image_{{page}}"><Choice value="a"/></Choices></Repeater>'
        '<Text name="t" value="$t"/><Choices name="all" toName="t"><Choice value="b"/></Choices></View>'
    )
    second = controls["kind_1"]
    assert (second.name, second.to_name, second.field) == ("kind_1", "image_1", "pages[1].url")
    assert second.value({"data": {"pages": [{"url": "a.png"}, {"url": "b.png"}]}}) == "b.png"
    assert controls["kind_{{page}}"].at(7).to_name == "image_7"
    assert controls["all"].at(7) is controls["all"]
    with pytest.raises(LabelConfigError, match="no control named 'kind_x'"):
        controls["kind_x"]


def test_controls_of_nested_repeaters_have_an_index_for_each() -> None:
    controls = Controls(
        '<View><Repeater on="$docs" indexFlag="{{doc}}"><Text name="text_{{doc}}" value="$docs[{{doc}}].text"/>'
        '<Repeater on="$asks" indexFlag="{{ask}}"><Choices name="kind_{{doc}}_{{ask}}" toName="text_{{doc}}">'
        '<Choice value="a"/></Choices></Repeater></Repeater></View>'
    )
    kind = controls["kind_1_2"]
    assert (kind.name, kind.to_name, kind.field) == ("kind_1_2", "text_1", "docs[1].text")
    assert controls[0].at({"{{doc}}": 1}).at({"{{ask}}": 2}) == kind
    assert controls[0].at(3).name == "kind_3_3"
    assert "kind_1_2" in controls
    assert "kind_1" not in controls
    assert "kind_01_2" not in controls  # Label Studio names none so
    with pytest.raises(LabelConfigError, match="no control named 'kind_1'"):
        controls["kind_1"]


def test_a_placeholder_that_is_twice_in_a_name_has_one_index() -> None:
    controls = Controls(
        '<View><Repeater on="$a" indexFlag="{{i}}"><Text name="t{{i}}" value="$a[{{i}}]"/>'
        '<Rating name="r{{i}}_{{i}}" toName="t{{i}}"/></Repeater></View>'
    )
    assert controls["r2_2"].to_name == "t2"
    assert "r1_2" not in controls


def test_the_control_for_its_first_object_is_the_control_itself() -> None:
    controls = Controls(CONFIG)
    assert controls.first("RectangleLabels", on="Image") is controls["box"]  # with its label map
    assert controls.first("Choices", on="Image") is not controls["mood"]


def test_a_chat_labels_itself() -> None:
    controls = Controls('<View><Chat name="chat" value="$messages"/></View>')
    chat = controls.first("Chat")
    assert (chat.to_name, chat.field, chat.region_type) == ("chat", "messages", "chatmessage")


@pytest.mark.parametrize("config", ["<View>", "no xml", "<!DOCTYPE a><View/>"])
def test_what_is_no_label_config_is_an_error(config: str) -> None:
    with pytest.raises(LabelConfigError):
        Controls(config)


def test_tags_that_are_nested_too_deep_are_refused() -> None:
    deep = "<View>" * 30_000 + "</View>" * 30_000
    with pytest.raises(LabelConfigError, match="nested more than 200 deep"):
        Controls(deep)


def test_a_model_has_the_controls_of_its_label_config() -> None:
    model = LabelStudioMLBase(label_config=CONFIG)
    assert model.controls.first("RectangleLabels").name == "box"
    assert model.controls is controls_of(CONFIG)
    model.label_config = '<View><Text name="t" value="$t"/><Rating name="r" toName="t"/></View>'
    assert [control.name for control in model.controls] == ["r"]
    model.use_label_config("<View/>")
    assert list(model.controls) == []


def test_relations_have_labels_and_no_name() -> None:
    controls = Controls(
        '<View><Text name="t" value="$t"/>'
        '<Relations><Relation value="is a"/><Relation value="part of"/></Relations></View>'
    )
    assert [label.name for label in controls.relation_labels.labels] == ["is a", "part of"]
    assert Controls(CONFIG).relation_labels.name("any label") == "any label"
    for search in (controls.first, controls.find, controls.all):
        with pytest.raises(
            ValueError, match=r"<Relations> has no name, .* its labels are controls.relation_labels"
        ):
            search("Relations")


def test_named_tags_that_only_arrange_are_no_objects() -> None:
    controls = Controls(
        '<View name="top"><Style name="s">p { }</Style><Header name="h" value="$title"/>'
        '<Collapse name="c"><Panel name="p" value="More"><Text name="t" value="$t"/></Panel></Collapse>'
        '<Rating name="r" toName="t"/></View>'
    )
    assert [item.name for item in controls.objects] == ["t"]


def test_empty_targets_are_left_out() -> None:
    controls = Controls('<View><Text name="t" value="$t"/><Rating name="r" toName="t, ,"/></View>')
    assert controls["r"].to_names == ("t",)
    nothing = Controls('<View><Text name="t" value="$t"/><Rating name="r" toName=","/></View>')["r"]
    assert nothing.to_name == ","
    with pytest.raises(LabelConfigError, match="labels ',', which the label config does not have"):
        _ = nothing.object
