"""Arbitrary Python values, the nasty ones included, for whatever has to turn them into JSON."""

import collections
import datetime
import decimal
import enum
import fractions
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st


class Colour(enum.Enum):
    """An enumeration of text."""

    RED = "red"


class Unwilling:
    """An object that raises whatever is asked of it."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")


class Endless:
    """An iterable that yields itself."""

    def __iter__(self) -> Iterator[Any]:
        yield self


class LyingSequence(collections.abc.Sequence[Any]):
    """A sequence that cannot say how long it is."""

    def __len__(self) -> int:
        raise ValueError("no length")

    def __getitem__(self, index: Any) -> Any:
        raise IndexError(index)


class BadItem:
    """It has `item`, `tolist` and `_dict`, but they are something else."""

    item = 3

    def tolist(self, axis: int) -> Any:
        return axis

    def _dict(self) -> Any:
        raise KeyError("none")


def ring() -> list[Any]:
    """Return a list that contains itself."""
    made: list[Any] = []
    made.append(made)
    return made


def deep(levels: int = 5000) -> list[Any]:
    """Return a list in a list in a list."""
    made: list[Any] = []
    for _ in range(levels):
        made = [made]
    return made


def generated() -> Iterator[int]:
    """Yield a little, then fail."""
    yield 1
    raise OSError("the disk is gone")


NASTY: dict[str, Any] = {
    "object": object,
    "unwilling": Unwilling,
    "endless": Endless,
    "lying": LyingSequence,
    "bad item": BadItem,
    "ring": ring,
    "deep": deep,
    "generator": generated,
    "class": lambda: int,
    "function": lambda: len,
    "complex": lambda: 1j,
    "huge": lambda: 10**400,
    "surrogate": lambda: "\ud800",
    "nan": lambda: float("nan"),
    "inf": lambda: float("-inf"),
    "float32": lambda: np.float32(0.5),
    "nan32": lambda: np.float32("nan"),
    "int64": lambda: np.int64(7),
    "bool_": lambda: np.bool_(True),
    "array": lambda: np.array([[1.0, np.inf], [np.nan, 2.0]]),
    "objects": lambda: np.array([{"a": 1}, None], dtype=object),
    "datetime64": lambda: np.datetime64("2026-11-23"),
    "empty array": lambda: np.array([]),
    "scalar array": lambda: np.array(3),
    "str_": lambda: np.str_("text"),
    "date": lambda: datetime.date(2026, 11, 23),
    "decimal": lambda: decimal.Decimal("NaN"),
    "fraction": lambda: fractions.Fraction(1, 3),
    "uuid": uuid.uuid4,
    "path": lambda: Path("a"),
    "enum": lambda: Colour.RED,
    "set": lambda: {1, "a"},
    "frozenset": lambda: frozenset({1.5}),
    "deque": lambda: collections.deque([1]),
    "range": lambda: range(3),
    "view": lambda: {"a": 1}.values(),
    "chain": lambda: collections.ChainMap({"a": 1}),
    "memory": lambda: memoryview(b"ab"),
    "bytearray": lambda: bytearray(b"ab"),
    "odd keys": lambda: {1: 1, None: 2, (1, 2): 3, 1.5: 4, False: 5, b"x": 6, float("nan"): 7},
    "exception": lambda: ValueError("x"),
}

_leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.text(st.characters(), max_size=3)
    | st.binary(max_size=4)
    | st.sampled_from(sorted(NASTY)).map(lambda name: NASTY[name]())
)

#: Anything.
values = st.recursive(
    _leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(
            st.sampled_from(["result", "score", "model_version", "predictions", "results", "value"])
            | st.integers()
            | st.none(),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)

#: Something that looks like a prediction, with anything in it.
predictions = st.fixed_dictionaries({"result": values}, optional={"score": values, "model_version": values})
