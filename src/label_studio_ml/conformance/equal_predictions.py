"""Compare predictions: two are equal if they differ in the ids of regions only."""

from collections.abc import Mapping
from typing import Any

#: Keys of a region that may differ between two equal predictions.
_IDS = frozenset({"id", "from_id", "to_id", "parentID"})


def comparable(value: Any) -> str:
    """Return a text that is the same for equal predictions, whatever the ids of their regions."""
    if isinstance(value, Mapping):
        parts = (f"{key}:{comparable(part)}" for key, part in sorted(value.items()) if key not in _IDS)
        return f"{{{','.join(parts)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(comparable, value))}]"
    return f"{value:.6g}" if isinstance(value, float) else repr(value)
