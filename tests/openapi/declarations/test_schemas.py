"""Schemas of types: objects in answers have the declared fields only, those in requests may have more."""

from typing import Any, NotRequired, TypedDict

import msgspec

from label_studio_ml.openapi.declarations.operation import more_fields
from label_studio_ml.openapi.declarations.schemas import Schemas


class Inner(msgspec.Struct):
    """An inner object,
    with a line break.
    """

    number: int
    text: str = ""


class Outer(TypedDict):
    inner: list[Inner]
    other: NotRequired[str | None]


class Pairs(TypedDict):
    lines: list[tuple[int, str]]


class Lists(TypedDict):
    any: list[Any]
    bare: list  # type: ignore[type-arg]
    inner: dict[str, list[Any]]


@more_fields
class Open(TypedDict):
    known: int


class Sent(TypedDict):
    """What a request has."""

    field: str


def test_answers_are_closed_down_to_the_innermost_object() -> None:
    schemas = Schemas([Outer], [Sent])
    assert schemas.components["Outer"]["additionalProperties"] is False
    assert schemas.components["Inner"]["additionalProperties"] is False
    assert schemas.components["Outer"]["required"] == ["inner"]
    assert "additionalProperties" not in schemas.components["Sent"]


def test_tuples_have_no_boolean_schema() -> None:
    lines = Schemas([Pairs], []).components["Pairs"]["properties"]["lines"]["items"]
    assert (lines["minItems"], lines["maxItems"]) == (2, 2)
    assert lines["prefixItems"] == [{"type": "integer"}, {"type": "string"}]
    assert "items" not in lines


def test_lists_of_any_values_have_items() -> None:
    """Generators of clients leave out types with an array without them."""
    schemas = Schemas([Lists, list], [])
    fields = schemas.components["Lists"]["properties"]
    assert fields["any"] == fields["bare"] == schemas.of(list) == {"type": "array", "items": {}}
    assert fields["inner"]["additionalProperties"] == {"type": "array", "items": {}}


def test_a_marked_type_may_have_more_fields() -> None:
    assert "additionalProperties" not in Schemas([Open], []).components["Open"]


def test_defaults_of_the_code_are_left_out_of_answers() -> None:
    assert "default" not in Schemas([Inner], []).components["Inner"]["properties"]["text"]


def test_descriptions_are_docstrings_on_one_line() -> None:
    assert Schemas([Inner], []).components["Inner"]["description"] == "An inner object, with a line break."


def test_several_types_of_one_answer() -> None:
    any_of = Schemas([(Outer, Open)], []).of((Outer, Open))["anyOf"]
    assert [each["$ref"].rpartition("/")[2] for each in any_of] == ["Outer", "Open"]
    assert Schemas([str], [int]).of(int) == {"type": "integer"}
