"""Compare predictions: two are equal if they differ in the ids of regions only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: Keys of a region that may differ between two equal predictions.
_IDS = frozenset({"id", "from_id", "to_id", "parentID"})


@dataclass(frozen=True, slots=True)
class _Mark:
    """Punctuation or a key of the text, among the values that are still to be written."""

    text: str


def comparable(value: Any) -> str:
    """Return a text that is the same for equal predictions, whatever the ids of their regions.

    It needs no recursion, so that no prediction is nested too deep.
    """
    texts: list[str] = []
    rest: list[Any] = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, _Mark):
            texts.append(item.text)
        elif isinstance(item, Mapping):
            rest.append(_Mark("}"))
            for key in sorted(item.keys() - _IDS, reverse=True):
                rest += [_Mark(","), item[key], _Mark(f"{key}:")]
            texts.append("{")
        elif isinstance(item, list):
            rest.append(_Mark("]"))
            for part in reversed(item):
                rest += [_Mark(","), part]
            texts.append("[")
        else:
            texts.append(f"{item:.6g}" if isinstance(item, float) else repr(item))
    return "".join(texts)
