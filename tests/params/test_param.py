"""One parameter: its type, its limits, what it says about a wrong value; and the values of all."""
# mypy: disable-error-code="arg-type"

import copy
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from label_studio_ml.params import Param, Params


@pytest.mark.parametrize(
    ("param", "value", "converted"),
    [
        (Param(0.5), 1, 1.0),
        (Param(0), 3.0, 3),
        (Param(1, type=float), 2, 2.0),
        (Param(False), True, True),
        (Param("a"), "b", "b"),
        (Param(["a"]), ["b", "c"], ["b", "c"]),
        (Param(("a",)), (), []),
        (Param([], type=list[str]), ["x"], ["x"]),
        (Param("s", choices=("s", "m")), "m", "m"),
        (Param(1, choices=(1, 2)), 2, 2),
        (Param(["a"], choices=("a", "b")), ["b"], ["b"]),
        (Param(None, type=int), None, None),
        (Param(3, optional=True), None, None),
        (Param(0.5, ge=0, le=1), 1, 1.0),
    ],
)
def test_a_right_value_gets_the_type(param: Param, value: Any, converted: Any) -> None:
    checked = param.checked(value)
    assert (checked, type(checked)) == (converted, type(converted))


@pytest.mark.parametrize(
    ("param", "value", "text"),
    [
        (Param(0.5, ge=0, le=1), 1.5, "must be a number from 0 to 1, not 1.5"),
        (Param(0.5, gt=0, lt=1), 1, "must be a number above 0 and below 1, not 1"),
        (Param(0.5, ge=0), -1, "must be a number of at least 0, not -1"),
        (Param(0.5), "0.7", "must be a number, not the text '0.7'"),
        (Param(0.5), True, "must be a number, not true"),
        (Param(0.5), float("nan"), "must be a number, not nan"),
        (Param(0.5), 10**400, "must be a number, not "),
        (Param(0.5), None, "must be a number, not null"),
        (Param(0.5), {"a": 1}, "must be a number, not a dict"),
        (Param(0), 1.5, "must be a whole number, not 1.5"),
        (Param(0), False, "must be a whole number, not false"),
        (Param(True), 1, "must be true or false, not 1"),
        (Param("a"), 1, "must be text, not 1"),
        (Param(["a"]), "a", "must be a list of texts, not the text 'a'"),
        (Param(["a"]), ["a", 1], 'must be a list of texts, not ["a", 1]'),
        (Param("s", choices=("s", "m")), "x", "must be one of 's', 'm', not the text 'x'"),
        (Param(["a"], choices=("a",)), ["a", "z"], 'must be a list of any of \'a\', not ["a", "z"]'),
        (Param(None, type=int, gt=0), 0, "must be a whole number above 0, or null, not 0"),
        (Param("", secret=True, choices=("", "k")), "key-1", "not the value that it has"),
    ],
)
def test_a_wrong_value_is_refused(param: Param, value: Any, text: str) -> None:
    with pytest.raises(ValueError, match="must be") as refused:
        param.checked(value)
    assert text in str(refused.value)


@pytest.mark.parametrize(
    ("param", "text", "value"),
    [
        (Param(0.5), " 0.7 ", 0.7),
        (Param(0.5), "seven", "seven"),
        (Param(5), "7", 7),
        (Param(5), "7.5", "7.5"),
        (Param(False), "Yes", True),
        (Param(False), "0", False),
        (Param(False), "perhaps", "perhaps"),
        (Param(""), "007", "007"),
        (Param([]), "a, b,,c", ["a", "b", "c"]),
        (Param([]), '["a, b"]', ["a, b"]),
        (Param([]), "[a", "[a"),
        (Param(1, choices=(1, 2)), "2", 2),
        (Param(None, type=int), "null", None),
    ],
)
def test_a_text_is_read(param: Param, text: str, value: Any) -> None:
    assert param.read(text) == value


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Param(1.5, ge=0, le=1), "The default of a Param must be a number from 0 to 1, not 1.5"),
        (lambda: Param(None), "needs its type"),
        (lambda: Param({}), "must be one of float, int, bool, str, list, not dict"),
        (lambda: Param("a", ge=1), "ge of a Param limits numbers, but its type is str"),
        (lambda: Param(1, ge="0"), "ge of a Param must be a number, not the text '0'"),
        (lambda: Param("a", choices=("a", 1)), "1 of a Param's choices is not text"),
        (lambda: Param("a", choices="abc"), "choices of a Param must be a list"),
        (lambda: Param(0.5, 1), "doc of a Param must be text, not 1"),
    ],
)
def test_a_declaration_that_makes_no_sense(make: Any, text: str) -> None:
    with pytest.raises(ValueError, match="Param") as refused:
        make()
    assert text in str(refused.value)


def test_values_are_attributes_and_items_that_stay() -> None:
    params = Params({"threshold": 0.5, "labels": ["a"]})
    assert (params.threshold, params["labels"]) == (0.5, ["a"])
    assert dict(**params) == {"threshold": 0.5, "labels": ["a"]}
    assert "threshold" in dir(params)
    assert repr(params) == "Params(threshold=0.5, labels=['a'])"
    with pytest.raises(AttributeError, match="There is no parameter 'treshold'"):
        _ = params.treshold
    with pytest.raises(AttributeError, match="'threshold' cannot be changed"):
        params.threshold = 0.7
    assert pickle.loads(pickle.dumps(params)) == params
    assert copy.deepcopy(params) == params


def test_a_default_list_is_not_shared() -> None:
    param = Param(["a"])
    param.checked(param.default).append("b")
    assert param.checked(param.default) == ["a"]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)
_DECLARED = st.sampled_from(
    [
        Param(0.5, ge=-1, lt=1e6),
        Param(3, gt=0, le=100),
        Param(False),
        Param("a"),
        Param("a", choices=("a", "b")),
        Param(["a"]),
        Param([], choices=("a", "")),
        Param(None, type=float),
        Param(None, type=list),
    ]
)


@given(param=_DECLARED, value=_JSON)
def test_any_json_value_is_converted_once_or_refused(param: Param, value: Any) -> None:
    try:
        converted = param.checked(value)
    except ValueError:
        return
    assert converted == value
    assert param.checked(converted) == converted
    assert converted is None or type(converted) is param.kind
    assert json.loads(param.shown(converted)) == converted


@given(param=_DECLARED, value=_JSON)
def test_the_text_of_a_value_is_read_as_this_value(param: Param, value: Any) -> None:
    try:
        converted = param.checked(value)
    except ValueError:
        return
    text = converted if isinstance(converted, str) else json.dumps(converted)
    if param.optional or text != "null":
        assert param.read(text) == converted


@given(param=_DECLARED, text=st.text(max_size=8))
def test_any_text_is_read_without_an_error(param: Param, text: str) -> None:
    param.read(text)
