"""Values of a `<ReactCode>`, which code in the label config shows; only Label Studio's enterprise edition has it."""

import json
from collections.abc import Mapping
from typing import Any

from label_studio_ml.controls.control import Control
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.regions.region import Region, fields_in, make, require_control

_FIELD = "reactcode"


def react_code(
    control: Control,
    value: Mapping[str, Any],
    *,
    score: float | None = None,
    id: str | None = None,  # noqa: A002 (the name of the field)
) -> Region:
    """Return a value as a region of a `<ReactCode>`: what its code passes to `addRegion`.

    `value` is a dict of what JSON can hold; which fields the code reads is its own matter. Raises TypeError for another
    value, and LabelConfigError for another control.
    """
    require_control(control)
    if control.tag != "ReactCode":
        raise LabelConfigError(f"{control} has no code of its own", field="label_config")
    if not isinstance(value, Mapping):
        raise TypeError(f"value must be a dict, not {value!r}")
    try:
        json.dumps(dict(value), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise TypeError(f"value must hold what JSON can: {error}") from None
    region = make(control, {_FIELD: dict(value)}, score=score, id=id)
    assert region is not None
    return region


def react_code_of(region: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of a region of a `<ReactCode>`. Raises ValueError if it has none."""
    value = region["value"].get(_FIELD)
    if not isinstance(value, Mapping):
        raise ValueError(f"The region has no value of a <ReactCode>: its value has {fields_in(region)}")
    return dict(value)
