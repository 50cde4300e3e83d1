"""Values of a `<ReactCode>`."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from label_studio_ml.controls import Controls
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.regions import react_code, react_code_of

CONTROLS = Controls(
    """<View><Text name="t" value="$t"/><Rating name="stars" toName="t"/>
    <ReactCode name="app" toName="app" data="$t" outputs="summary, mood:number(0, 9)"/></View>"""
)
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
values = st.dictionaries(st.text(), st.recursive(leaves, st.lists, max_leaves=5), max_size=4)


@given(values)
def test_values_come_back(value: dict[str, Any]) -> None:
    region = react_code(CONTROLS["app"], value, score=0.5)
    assert react_code_of(region) == value
    assert (region["type"], region["from_name"], region["to_name"]) == ("reactcode", "app", "app")


@pytest.mark.parametrize("value", [None, [1], "text", {"a": float("nan")}, {"a": object()}])
def test_values_that_json_cannot_hold(value: Any) -> None:
    with pytest.raises(TypeError, match="value must"):
        react_code(CONTROLS["app"], value)


def test_other_controls_and_regions() -> None:
    with pytest.raises(LabelConfigError, match="has no code of its own"):
        react_code(CONTROLS["stars"], {"a": 1})
    with pytest.raises(ValueError, match="no value of a <ReactCode>: its value has rating"):
        react_code_of({"value": {"rating": 3}})
