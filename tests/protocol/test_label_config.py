"""The label config reader, held against the SDK's own over real-looking configs."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from label_studio_sdk._extensions.label_studio_tools.core.label_config import parse_config

from label_studio_ml.errors import LabelConfigError
from label_studio_ml.protocol.label_config import MAX_CHARACTERS, describe, first_tag, parse_label_config
from time_growth import time_growth

CONFIGS = {
    "choices": """<View><Text name="text" value="$text"/>
        <Choices name="sentiment" toName="text" choice="single">
        <Choice value="Positive"/><Choice value="Negative"/></Choices></View>""",
    "choice alias": """<View><Text name="t" value="$t"/><Choices name="c" toName="t">
        <Choice value="Long text of a choice" alias="short"/><Choice alias="only"/><Choice/></Choices>
        </View>""",
    "ner": """<View><Labels name="label" toName="text"><Label value="PER" background="red"/>
        <Label value="ORG" hotkey="o"/></Labels><Text name="text" value="$text" granularity="word"/>
        </View>""",
    "rectangles": """<View><Image name="image" value="$image" zoom="true"/>
        <RectangleLabels name="box" toName="image">
        <Label value="Airplane"/><Label value="Car"/></RectangleLabels></View>""",
    "predicted values": """<View><Image name="i" value="$image"/><RectangleLabels name="b" toName="i"
        model_score_threshold="0.25"><Label value="Car" predicted_values="car,truck"/></RectangleLabels>
        </View>""",
    "brush, keypoint and polygon": """<View><Image name="img" value="$img"/>
        <BrushLabels name="brush" toName="img"><Label value="Sky"/></BrushLabels>
        <KeyPointLabels name="kp" toName="img" smart="true"><Label value="Sky"/></KeyPointLabels>
        <PolygonLabels name="poly" toName="img"><Label value="Road"/></PolygonLabels></View>""",
    "taxonomy": """<View><Text name="t" value="$t"/><Taxonomy name="tax" toName="t">
        <Choice value="Animals"><Choice value="Cat"/><Choice value="Dog" alias="dog"/></Choice>
        <Choice value="Plants"/></Taxonomy></View>""",
    "taxonomy from a server": """<View><Text name="t" value="$t"/>
        <Taxonomy name="tax" toName="t" apiUrl="https://example.com/tax.json"/></View>""",
    "text area": """<View><Header value="Describe it"/><Image name="image" value="$captioning"/>
        <TextArea name="caption" toName="image" rows="4" editable="true" maxSubmissions="1"/></View>""",
    "rating and number": """<View><Text name="t" value="$t"/><Rating name="stars" toName="t" maxRating="5"/>
        <Number name="n" toName="t" min="0"/><DateTime name="d" toName="t"/></View>""",
    "pairwise": """<View><Pairwise name="pw" toName="left,right"/><Text name="left" value="$left"/>
        <Text name="right" value="$right"/></View>""",
    "to name with a blank": """<View><Pairwise name="pw" toName="left, right"/>
        <Text name="left" value="$left"/>
        <Text name="right" value="$right"/></View>""",
    "repeater": """<View><Repeater on="$images" indexFlag="{{idx}}"><Image name="page_{{idx}}"
        value="$images[{{idx}}].url"/><RectangleLabels name="labels_{{idx}}" toName="page_{{idx}}">
        <Label value="Header"/></RectangleLabels></Repeater>
        <Text name="t" value="$t"/><Choices name="doc" toName="t"><Choice value="a"/></Choices></View>""",
    "two repeaters": """<View><Repeater on="$a" indexFlag="{{i}}"><Repeater on="$b" indexFlag="{{j}}">
        <Text name="x_{{i}}_{{j}}" value="$t"/><Choices name="c_{{i}}_{{j}}" toName="x_{{i}}_{{j}}">
        <Choice value="y"/></Choices></Repeater></Repeater></View>""",
    "per region": """<View><Image name="img" value="$img"/><RectangleLabels name="box" toName="img">
        <Label value="Sign"/></RectangleLabels>
        <TextArea name="ocr" toName="img" perRegion="true" whenTagName="box"/>
        <Choices name="kind" toName="img" perRegion="true" whenLabelValue="Sign"><Choice value="Stop"/>
        </Choices>
        <Rating name="clear" toName="img" perRegion="true" whenChoiceValue="Stop"/>
        <Rating name="any" toName="img" perRegion="true"/>
        <Rating name="not" toName="img" whenTagName="box"/></View>""",
    "visible when": """<View><Text name="t" value="$t"/><Choices name="c" toName="t"><Choice value="yes"/>
        </Choices>
        <View visibleWhen="choice-selected" whenTagName="c" whenChoiceValue="yes">
        <Choices name="more" toName="t">
        <Choice value="why"/></Choices></View></View>""",
    "value list": """<View><Image name="pages" valueList="$pages"/><RectangleLabels name="r" toName="pages">
        <Label value="Table"/></RectangleLabels></View>""",
    "dynamic labels": """<View><Text name="t" value="$t"/><Choices name="c" toName="t" value="$options"/>
        <Labels name="l" toName="t" value="$labels.of.task"><Label value="fixed"/></Labels></View>""",
    "nested views": """<View><View style="display:flex"><View><Text name="t" value="$t"/></View>
        <View><Choices name="c" toName="t"><View><View><Choice value="deep"/></View><Choice value="flat"/>
        </View>
        </Choices></View></View></View>""",
    "relations": """<View><Relations><Relation value="org:founded_by"/><Relation value="org:in"/></Relations>
        <Labels name="label" toName="text"><Label value="ORG"/></Labels><Text name="text" value="$text"/>
        </View>""",
    "video": """<View><Labels name="videoLabels" toName="video" allowEmpty="true"><Label value="Man"/>
        </Labels>
        <Video name="video" value="$video" framerate="25.0"/><VideoRectangle name="box" toName="video"/>
        <TimelineLabels name="tl" toName="video"><Label value="Jump"/></TimelineLabels></View>""",
    "time series": """<View><TimeSeriesLabels name="label" toName="ts"><Label value="Run"/></TimeSeriesLabels>
        <TimeSeries name="ts" valueType="url" value="$csv" sep="," timeColumn="time">
        <Channel column="sensor1" legend="one"/></TimeSeries></View>""",
    "hyper text": """<View><HyperTextLabels name="ner" toName="web"><Label value="Title"/></HyperTextLabels>
        <HyperText name="web" value="$html" inline="true"/></View>""",
    "paragraphs": """<View><ParagraphLabels name="p" toName="dialogue"><Label value="Question"/>
        </ParagraphLabels>
        <Paragraphs name="dialogue" value="$dialogue" layout="dialogue" nameKey="author"/></View>""",
    "audio": """<View><Labels name="l" toName="a"><Label value="Speaker 1"/></Labels>
        <Audio name="a" value="$audio"/><TextArea name="tr" toName="a" perRegion="true"/></View>""",
    "filter": """<View><Filter name="f" toName="l" hotkey="shift+f"/><Labels name="l" toName="t">
        <Label value="A"/>
        </Labels><Text name="t" value="$t"/></View>""",
    "shortcuts and style": """<View><Style>.x { color: red }</Style><Text name="t" value="$t"/>
        <TextArea name="a" toName="t"><Shortcut value="Hi" alias="hi"/></TextArea></View>""",
    "comments": """<!-- top --><View><!-- <Choices name="no" toName="t"/> --><Text name="t" value="$t"/>
        <Choices name="c" toName="t"><!-- inside --><Choice value="a"/></Choices><?hint here?></View>""",
    "namespaces": """<View xmlns:x="urn:x"><x:Text name="t" value="$t" x:extra="1"/>
        <Choices name="c" toName="t">
        <Choice value="a" x:alias="no"/></Choices></View>""",
    "default namespace": """<View xmlns="urn:ls"><Text name="t" value="$t"/><Choices name="c" toName="t">
        <Choice value="a"/></Choices></View>""",
    "entities": """<View><Text name="t" value="$t"/><Choices name="c" toName="t">
        <Choice value="R&amp;D &lt;x&gt; &#233; &quot;q&quot;"/><Choice value="two&#10;lines"/></Choices>
        </View>""",
    "other letters": """<View><Text name="テキスト" value="$текст"/><Choices name="été" toName="テキスト">
        <Choice value="良い"/></Choices></View>""",
    "target missing": """<View><Choices name="c" toName="nowhere"><Choice value="a"/></Choices></View>""",
    "same label twice": """<View><Text name="t" value="$t"/><Labels name="l" toName="t">
        <Label value="A" hotkey="1"/>
        <Label value="B"/><Label value="A" hotkey="2"/></Labels></View>""",
    "same name twice": """<View><Text name="t" value="$t"/><Labels name="l" toName="t"><Label value="A"/>
        </Labels>
        <Labels name="l" toName="t"><Label value="B"/></Labels></View>""",
    "control before object": """<View><Choices name="c" toName="t"><Choice value="a"/></Choices>
        <Text name="t" value="$$t"/></View>""",
    "empty attributes": """<View><Text name="t" value="" valueList="$list"/><Text name="" value="$x"/>
        <Choices name="c" toName="t"><Choice value=""/></Choices><Choices name="d" toName=""/></View>""",
    "chat and ranker": """<View><Chat name="chat" value="$messages"/><List name="results" value="$items"/>
        <Ranker name="rank" toName="results"><Bucket name="best" title="Best"/></Ranker></View>""",
    "label outside": """<View><Label value="lost"/><Header name="h" value="$title"/></View>""",
    "no controls": "<View/>",
}


@pytest.mark.parametrize("name", CONFIGS)
def test_same_as_the_sdk(name: str) -> None:
    ours = parse_label_config(CONFIGS[name])
    theirs = parse_config(CONFIGS[name])
    assert ours == theirs
    assert list(ours) == list(theirs)
    assert [list(ours[key]["labels_attrs"]) for key in ours] == [
        list(theirs[key]["labels_attrs"]) for key in ours
    ]


NAMES = st.sampled_from(["t", "c", "l", "x_{{i}}", ""])
ATTRIBUTES = st.fixed_dictionaries(
    {},
    optional={
        "name": NAMES,
        "toName": st.sampled_from(["t", "t,c", "x_{{i}}", ""]),
        "value": st.sampled_from(["$t", "$$x", "A", "$a.b", ""]),
        "valueList": st.sampled_from(["$list", ""]),
        "alias": st.sampled_from(["a", ""]),
        "perRegion": st.sampled_from(["true", "false"]),
        "whenTagName": st.sampled_from(["l", ""]),
        "whenLabelValue": st.just("A"),
        "indexFlag": st.just("{{i}}"),
        "apiUrl": st.just("http://x"),
        "valueType": st.just("url"),
    },
)
TAGS = st.sampled_from(["View", "Text", "Choices", "Labels", "Label", "Choice", "Relation", "Filter"])
LEAVES: st.SearchStrategy[Any] = st.tuples(TAGS, ATTRIBUTES, st.just([]))
TREES = st.recursive(
    LEAVES, lambda inner: st.tuples(TAGS, ATTRIBUTES, st.lists(inner, max_size=4)), max_leaves=12
)


def _xml(tree: Any) -> str:
    tag, attributes, children = tree
    text = "".join(f' {key}="{value}"' for key, value in attributes.items())
    return f"<{tag}{text}>{''.join(map(_xml, children))}</{tag}>"


def _names(tree: Any, *, controls: bool) -> list[str]:
    tag, attributes, children = tree
    name = attributes.get("name")
    control = bool(name and attributes.get("toName") and tag != "Filter")
    own = [name] if name and control is controls else []
    return own + [name for child in children for name in _names(child, controls=controls)]


@given(TREES)
def test_same_as_the_sdk_on_made_up_configs(tree: Any) -> None:
    if set(_names(tree, controls=True)) & set(_names(tree, controls=False)):
        return  # Label Studio refuses names that are not unique
    xml = _xml(tree)
    assert parse_label_config(xml) == parse_config(xml)


@pytest.mark.parametrize("text", [None, "", "  \n\t"])
def test_nothing_is_no_controls(text: str | None) -> None:
    assert parse_label_config(text) == {}


def test_inputs_are_not_shared() -> None:
    parsed = parse_label_config(
        '<View><Text name="t" value="$t"/><Choices name="a" toName="t"/><Choices name="b" toName="t"/></View>'
    )
    parsed["a"]["inputs"][0]["value"] = "changed"
    assert parsed["b"]["inputs"][0]["value"] == "t"


def test_malformed_names_line_and_column() -> None:
    with pytest.raises(LabelConfigError) as caught:
        parse_label_config("<View>\n  <Text></View>")
    assert "line 2, column 11" in str(caught.value)
    assert caught.value.field == "label_config"


@pytest.mark.parametrize(
    "text", ["hello", "<View>", "<x:View/>", "<View a=1/>", "<View/><View/>", "<View>\x00</View>"]
)
def test_malformed_is_refused(text: str) -> None:
    with pytest.raises(LabelConfigError, match="not well-formed"):
        parse_label_config(text)


def test_lone_surrogate_is_refused() -> None:
    with pytest.raises(LabelConfigError, match="position 11"):
        parse_label_config("<View a='bc\ud800'/>")


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE v [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        '<!DOCTYPE v SYSTEM "file:///etc/hostname">',
        "<!DOCTYPE View>",
    ],
)
def test_doctype_is_refused(doctype: str) -> None:
    with pytest.raises(LabelConfigError, match="DOCTYPE") as caught:
        parse_label_config(f"{doctype}<View/>")
    assert caught.value.field == "label_config"


def test_deep_nesting_is_read() -> None:
    depth = 50_000
    text = "<View>" * depth + '<Choices name="c" toName="t"><Choice value="a"/></Choices>' + "</View>" * depth
    assert parse_label_config(text)["c"]["labels"] == ["a"]


def test_first_tag() -> None:
    parsed = parse_label_config(CONFIGS["per region"])
    name, info = first_tag(parsed, "Rating", "Image")
    assert name == "clear"
    assert info is parsed["clear"]


def test_first_tag_says_what_there_is() -> None:
    parsed = parse_label_config(CONFIGS["pairwise"])
    with pytest.raises(
        ValueError, match=r'no <Choices> for a <Text>; it has <Pairwise name="pw"> for <Text> and'
    ):
        first_tag(parsed, "Choices", "Text")
    with pytest.raises(ValueError, match="no control tags"):
        first_tag({}, "Choices", "Text")


def test_describe_names_controls_without_objects() -> None:
    assert describe(parse_label_config(CONFIGS["target missing"])) == '<Choices name="c"> for nothing'


def test_import_is_light() -> None:
    heavy = "{'lxml', 'label_studio_sdk', 'requests'}"
    code = f"import sys, label_studio_ml.protocol.label_config; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _repeated(count: int) -> str:
    """Return a label config of `count` controls that use `count` indexes in turn, all of the same few names."""
    parts = [
        f'<Text name="t{number}" value="$t" indexFlag="{{{{i{number % 50}}}}}"/>'
        f'<Choices name="c{number}" toName="t{number}"><Choice value="a"/></Choices>'
        for number in range(count)
    ]
    return f"<View>{''.join(parts)}</View>"


def test_the_time_grows_as_the_text_does() -> None:
    """621 KiB took 33 s: each control was compared with each index flag that stands before it."""

    def prepare(count: int) -> Callable[[], object]:
        xml = _repeated(count)
        assert len(parse_label_config(xml)) == count
        return lambda: parse_label_config(xml)

    assert time_growth(prepare, 500, 8000) < 16 * 8


def test_too_many_index_flags_are_refused() -> None:
    xml = "".join(f'<Text name="t{number}" value="$t" indexFlag="i{number}"/>' for number in range(101))
    with pytest.raises(LabelConfigError, match="more than 100 different values of indexFlag") as error:
        parse_label_config(f"<View>{xml}</View>")
    assert error.value.field == "label_config"
    assert parse_label_config(f"<View>{xml.replace('i100', 'i0')}</View>") == {}


def test_a_label_config_has_a_largest_size() -> None:
    xml = f"<View>{' ' * (MAX_CHARACTERS - 13)}</View>"
    assert parse_label_config(xml) == {}
    with pytest.raises(LabelConfigError, match="4,194,305 characters, more than the 4,194,304") as error:
        parse_label_config(f"{xml} ")
    assert error.value.field == "label_config"


def test_a_taxonomy_of_thousands_of_choices_is_taken() -> None:
    choices = "".join(f'<Choice value="Chapter {n}: a name of some length"/>' for n in range(40_000))
    xml = f'<View><Text name="t" value="$t"/><Taxonomy name="x" toName="t">{choices}</Taxonomy></View>'
    assert len(parse_label_config(xml)["x"]["labels"]) == 40_000


def test_controls_that_name_their_object_too_often_are_refused() -> None:
    def config(times: int) -> str:
        control = f'<Choices name="%s" toName="{",".join("t" * times)}"/>'
        return f'<View><Text name="t" value="$t"/>{control % "a"}{control % "b"}</View>'

    assert len(parse_label_config(config(50_000))["b"]["inputs"]) == 50_000
    with pytest.raises(LabelConfigError, match="more than 100,000 names together"):
        parse_label_config(config(50_001))
