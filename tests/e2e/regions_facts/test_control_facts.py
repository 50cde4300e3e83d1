"""Controls without a place, relations, and scores."""

from typing import Any

import pytest
from playwright.sync_api import expect

from ..studio import Json
from .labelling import Labelling, region

CONTROL = """<View><Text name="data" value="$text"/><{0} name="label" toName="data" {1}>{2}</{0}></View>"""
CHOICES = '<Choice value="x"/><Choice value="y"/><Choice value="z"/>'
TREE = '<Choice value="P"><Choice value="Q"/><Choice value="R"/></Choice><Choice value="S"/>'
TEXT = {"text": "hello brave world"}

KEPT = [
    ("Choices", "", CHOICES, "choices", ["y"]),
    ("Choices", 'choice="multiple"', CHOICES, "choices", ["x", "z"]),
    ("Choices", "", CHOICES, "choices", ["unknown"]),
    ("Taxonomy", "", TREE, "taxonomy", [["P", "Q"], ["S"]]),
    ("Taxonomy", "", TREE, "taxonomy", [["P", "unknown"]]),
    ("Taxonomy", "", TREE, "taxonomy", ["P", "Q"]),
    ("Rating", 'maxRating="5"', "", "rating", 4),
    ("Rating", 'maxRating="5"', "", "rating", 3.5),
    ("Rating", 'maxRating="5"', "", "rating", 9),
    ("Number", 'min="0" max="10"', "", "number", 7.25),
    ("DateTime", 'only="date"', "", "datetime", "2024-02-28"),
    ("DateTime", "", "", "datetime", "2024-02-28T13:45"),
    ("DateTime", 'only="date" format="%d.%m.%Y"', "", "datetime", "28.02.2024"),
    ("TextArea", "", "", "text", ["one", "two"]),
    ("TextArea", "", "", "text", "one"),
]


def kind(field: str) -> str:
    return "textarea" if field == "text" else field


@pytest.mark.soak
@pytest.mark.parametrize(("tag", "attributes", "inner", "field", "value"), KEPT)
def test_values_that_come_back_as_they_were(
    labelling: Labelling, tag: str, attributes: str, inner: str, field: str, value: Any
) -> None:
    labelling.open(CONTROL.format(tag, attributes, inner), TEXT, [region("r", kind(field), {field: value})])
    assert labelling.submit().values["r"] == {field: value}


#: The choices that the page shows as chosen, each as the path of names to it.
CHOSEN = """() => SELECTED.names.get('label').selectedLabels.map((choice) => [choice.resultValue].flat())"""


@pytest.mark.soak
@pytest.mark.parametrize(
    ("attributes", "value", "chosen"),
    [
        ("", ["S"], [["S"]]),
        ("", ["Q"], []),
        ("", [["P", "Q"]], []),
        ('allowNested="true"', [["P", "Q"]], [["P", "Q"]]),
        ('allowNested="true"', ["Q"], []),
        ('allowNested="true"', [["S"]], [["S"]]),
        ('allowNested="true"', ["S"], []),
    ],
)
def test_nested_choices(labelling: Labelling, attributes: str, value: Any, chosen: Any) -> None:
    result = [region("r", "choices", {"choices": value})]
    labelling.open(CONTROL.format("Choices", f'{attributes} choice="multiple"', TREE), TEXT, result)
    labelling.shows(CHOSEN, chosen)
    assert labelling.submit().values["r"] == {"choices": value}


@pytest.mark.soak
@pytest.mark.parametrize(
    ("tag", "attributes", "inner", "field", "value"),
    [
        ("Choices", "", CHOICES, "choices", ["x", "y"]),
        ("Number", 'min="0" max="10"', "", "number", 70),
    ],
)
def test_values_that_a_person_cannot_submit(
    labelling: Labelling, tag: str, attributes: str, inner: str, field: str, value: Any
) -> None:
    labelling.open(CONTROL.format(tag, attributes, inner), TEXT, [region("r", kind(field), {field: value})])
    assert labelling.is_refused()


@pytest.mark.soak
@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [("datetime", "2024-02-28", "2024-02-28"), ("datetime", "2024-02-28T13:45:30Z", "")],
)
def test_what_a_date_shows(labelling: Labelling, field: str, value: str, shown: str) -> None:
    config = CONTROL.format("DateTime", 'only="date"', "")
    labelling.open(config, TEXT, [region("r", field, {field: value})])
    labelling.shows("() => document.querySelector('input[type=date]')?.value", shown)


PAIR = """<View><Text name="a" value="$text"/><Text name="b" value="$text"/>
    <Pairwise name="label" toName="a,b"/></View>"""
RANKER = """<View><List name="data" value="$items" title="t"/><Ranker name="label" toName="data">{}</Ranker></View>"""
ITEMS = {"items": [{"id": f"i{number}", "title": str(number)} for number in range(3)]}


@pytest.mark.soak
def test_pairwise(labelling: Labelling) -> None:
    labelling.open(PAIR, TEXT, [region("r", "pairwise", {"selected": "right"}, to_name="a")])
    (stored,) = labelling.submit().stored
    assert (stored["to_name"], stored["value"]) == ("a", {"selected": "right"})


BUCKETS = '<Bucket name="good" title="g"/><Bucket name="bad" title="b"/>'
DEFAULT = '<Bucket name="good" title="g"/><Bucket name="bad" title="b" default="true"/>'
#: The ids of the items that each column shows, by the place of the column.
COLUMNS = """() => [...document.querySelectorAll('.htx-ranker-column')].map((column) =>
    [...column.querySelectorAll('[data-ranker-id]')].map((item) => item.dataset.rankerId))"""


@pytest.mark.soak
@pytest.mark.parametrize(
    ("inner", "value", "columns"),
    [
        ("", {"label": ["i2", "i0", "i1"]}, [["i2", "i0", "i1"]]),
        ("", ["i2", "i0", "i1"], [[]]),
        ("", {"label": ["i2"]}, [["i2"]]),
        (BUCKETS, {"good": ["i2"], "bad": ["i0"], "_": ["i1"]}, [["i1"], ["i2"], ["i0"]]),
        (BUCKETS, {"good": ["i2"]}, [["i0", "i1"], ["i2"], []]),
        (DEFAULT, {"good": ["i2"], "bad": ["i0", "i1"]}, [["i2"], ["i0", "i1"]]),
        (DEFAULT, {"good": ["i2"]}, [["i2"], []]),
    ],
)
def test_ranker(labelling: Labelling, inner: str, value: Any, columns: list[list[str]]) -> None:
    labelling.open(RANKER.format(inner), ITEMS, [region("r", "ranker", {"ranker": value})])
    labelling.shows(COLUMNS, columns)
    assert labelling.submit().values["r"] == {"ranker": value}


@pytest.mark.soak
def test_an_unknown_item_of_a_ranker_makes_the_page_fail(labelling: Labelling) -> None:
    value = {"ranker": {"label": ["i2", "unknown"]}}
    labelling.open(RANKER.format(""), ITEMS, [region("r", "ranker", value)])
    labelling.shows("() => document.querySelectorAll('.htx-ranker-column').length", 0)
    expect(labelling.submit_button).to_have_count(0)


RELATIONS = """<View><Labels name="label" toName="data"><Label value="A"/></Labels>
    <Relations><Relation value="cause"/></Relations><Text name="data" value="$text"/></View>"""


def span(name: str, start: int, end: int, **more: Any) -> Json:
    return region(name, "labels", {"start": start, "end": end, "labels": ["A"]}, **more)


SPANS = [span("first", 0, 5), span("second", 6, 11)]
BETWEEN = """() => SELECTED.relationStore.relations.map(
    (relation) => [relation.node1.cleanId, relation.node2.cleanId, relation.direction])"""


@pytest.mark.soak
@pytest.mark.parametrize(
    ("more", "stored"),
    [
        *(({"direction": way, "labels": ["cause"]},) * 2 for way in ("right", "left", "bi")),
        ({}, {"direction": "right"}),
        ({"direction": "right", "labels": ["unknown"]}, {"direction": "right", "labels": []}),
    ],
)
def test_relations(labelling: Labelling, more: Json, stored: Json) -> None:
    ends = {"type": "relation", "from_id": "first", "to_id": "second"}
    # A relation may come before its regions.
    labelling.open(RELATIONS, TEXT, [{**ends, **more}, *SPANS])
    labelling.shows(BETWEEN, [["first", "second", stored["direction"]]])
    (relation,) = [item for item in labelling.submit().stored if item["type"] == "relation"]
    assert relation == {**ends, **stored}


@pytest.mark.soak
def test_a_relation_to_an_unknown_region_breaks_the_page(labelling: Labelling) -> None:
    relation = {"type": "relation", "from_id": "first", "to_id": "unknown", "direction": "right"}
    assert labelling.breaks(RELATIONS, TEXT, [*SPANS, relation])


@pytest.mark.soak
@pytest.mark.parametrize(
    ("tag", "inner", "field", "value"),
    [("Choices", CHOICES, "choices", "y"), ("Number", "", "number", "7")],
)
def test_a_value_of_another_type_breaks_the_page(
    labelling: Labelling, tag: str, inner: str, field: str, value: str
) -> None:
    result = [region("r", kind(field), {field: value})]
    assert labelling.breaks(CONTROL.format(tag, "", inner), TEXT, result)


@pytest.mark.soak
def test_scores(labelling: Labelling) -> None:
    spans = [span("first", 0, 5, score=0.25), span("second", 6, 11, score=7)]
    labelling.open(RELATIONS, TEXT, spans, score=0.875)
    labelling.shows("() => document.querySelectorAll(\"[title='Prediction score = 0.875']\").length", 1)
    shown = """() => [...document.querySelectorAll('.lsf-outliner-item__control_type_score')].map(
        (score) => score.textContent)"""
    labelling.shows(shown, ["0.25", "7.00"])
    assert [item["score"] for item in labelling.submit().stored] == [0.25, 7]
