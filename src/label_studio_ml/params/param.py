"""One parameter of a model class, `Param`, and the values of all of them, `Params`."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, get_origin

from label_studio_ml.support.arguments import described

_Type = type  # `type` is also a field of Param

#: Texts that stand for true and false in an environment variable.
_TRUTH = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


@dataclass(frozen=True)
class Param:
    """One parameter of a model class: its `default` value and `doc`, what it is for.

    The type of its values is `type` (float, int, bool, str, or list for a list of texts), by default that of `default`.
    `choices` are the values that it may have; for a list, those that its elements may have. `ge`, `gt`, `le` and `lt`
    limit a number (at least, more than, at most, less than). An `optional` parameter may be None; one whose default is
    None is. `env` names its environment variable: by default the parameter's name in upper case; None for no variable.
    The value of a `secret` parameter is not shown. An `operator_only` one is set where the backend runs, and refused in
    the extra params of a project: for addresses that get a key of this machine, files of this machine, and budgets.

    Raises ValueError if these do not fit together.
    """

    default: Any
    doc: str = ""
    _: KW_ONLY
    type: _Type | None = None
    choices: Sequence[Any] = ()
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    optional: bool = False
    env: str | None = ""
    secret: bool = False
    operator_only: bool = False
    kind: _Type = field(init=False, repr=False, default=str)

    def __post_init__(self) -> None:
        """Set `kind`, the type of the values; complete `choices` and `optional`; check the default."""
        if isinstance(self.doc, bool) or not isinstance(self.doc, str):
            raise ValueError(f"doc of a Param must be text, not {described(self.doc)}")
        if isinstance(self.choices, str) or not isinstance(self.choices, Sequence):
            raise ValueError("choices of a Param must be a list of values")
        object.__setattr__(self, "choices", tuple(self.choices))
        object.__setattr__(self, "optional", self.optional or self.default is None)
        object.__setattr__(self, "kind", self._kind())
        self._check_limits()
        if self.default is not None:
            try:
                object.__setattr__(self, "default", self.checked(self.default))
            except ValueError as error:
                raise ValueError(f"The default of a Param {error}") from None

    def _kind(self) -> _Type:
        """Return the type of the values. Raises ValueError if it is unknown or not one of those that are supported."""
        kind = self.type
        if kind is None:
            example = self.default if self.default is not None else next(iter(self.choices), None)
            if example is None:
                raise ValueError("A Param with the default None needs its type: Param(None, type=float)")
            kind = type(example)
        if kind is tuple or get_origin(kind) in (list, tuple):  # list[str] is meant
            return list
        if kind not in _KINDS:
            names = ", ".join(known.__name__ for known in _KINDS)
            shown = getattr(kind, "__name__", repr(kind))
            raise ValueError(f"The type of a Param must be one of {names}, not {shown}")
        return kind

    def _check_limits(self) -> None:
        """Raise ValueError for limits of something that is no number, and for choices of another type."""
        limits = [name for name in _LIMITS if getattr(self, name) is not None]
        if limits and self.kind not in (int, float):
            raise ValueError(f"{limits[0]} of a Param limits numbers, but its type is {self.kind.__name__}")
        for name in limits:
            limit = getattr(self, name)
            if isinstance(limit, bool) or not isinstance(limit, int | float):
                raise ValueError(f"{name} of a Param must be a number, not {described(limit)}")
        element = _KINDS[str if self.kind is list else self.kind]
        for choice in self.choices:
            if element.convert(choice) is _WRONG:
                raise ValueError(f"{choice!r} of a Param's choices is not {element.noun}")

    @property
    def expected(self) -> str:
        """The values that it may have, such as `a number from 0 to 1`."""
        noun = _KINDS[self.kind].noun
        if self.choices:
            values = ", ".join(map(repr, self.choices))
            noun = f"a list of any of {values}" if self.kind is list else f"one of {values}"
        phrase = " ".join([noun, *filter(None, [" and ".join(self._limits())])])
        return f"{phrase}, or null" if self.optional else phrase

    def _limits(self) -> list[str]:
        if self.ge is not None and self.le is not None and self.gt is None and self.lt is None:
            return [f"from {self.ge:g} to {self.le:g}"]
        given = ((words, getattr(self, name)) for name, (words, _) in _LIMITS.items())
        return [f"{words} {limit:g}" for words, limit in given if limit is not None]

    def checked(self, value: Any) -> Any:
        """Return the JSON `value` as this parameter's type, a list as a copy. Raises ValueError, "must be …"."""
        if value is None and self.optional:
            return None
        converted = _KINDS[self.kind].convert(value)
        if converted is _WRONG or not self._allows(converted):
            shown = "the value that it has" if self.secret else _shown(value)
            raise ValueError(f"must be {self.expected}, not {shown}")
        return converted

    def _allows(self, value: Any) -> bool:
        if self.choices:
            values = value if self.kind is list else [value]
            if not all(element in self.choices for element in values):
                return False
        return all(
            limit is None or holds(value, limit)
            for name, (_, holds) in _LIMITS.items()
            for limit in [getattr(self, name)]
        )

    def read(self, text: str) -> Any:
        """Return the JSON value that `text` stands for, or `text` itself where it stands for none of this type."""
        if self.optional and text.strip().lower() == "null":
            return None
        value = _KINDS[self.kind].read(text)
        return text if value is _WRONG else value

    def shown(self, value: Any) -> str:
        """Return the text that stands for `value` in lists of parameters."""
        return (
            "(secret)" if self.secret and value not in (None, "") else json.dumps(value, ensure_ascii=False)
        )


class Params(Mapping[str, Any]):
    """The values of a model's parameters: `params.threshold`, `params["threshold"]`; they cannot be changed."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_values", dict(values))

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._values:
            return self._values[name]
        raise AttributeError(f"There is no parameter {name!r}; declare it in the class's params")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"The parameter {name!r} cannot be changed: its value is that of this model")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._values]

    def __repr__(self) -> str:
        return f"Params({', '.join(f'{name}={value!r}' for name, value in self._values.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Params, (self._values,)


#: Stands for a value that is not of a parameter's type.
_WRONG = object()


@dataclass(frozen=True)
class _Kind:
    """A type of parameters: its name in messages, and functions that convert a JSON value, and read a text.

    Both return `_WRONG` if there is no such value.
    """

    noun: str
    convert: Callable[[Any], Any]
    read: Callable[[str], Any]


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _WRONG
    try:
        number = float(value)
    except OverflowError:
        return _WRONG
    return number if math.isfinite(number) else _WRONG


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else _WRONG


def _texts(value: Any) -> Any:
    is_list = isinstance(value, list | tuple) and all(isinstance(element, str) for element in value)
    return list(value) if is_list else _WRONG


def _parsed(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return parse(text)
        except ValueError:
            return _WRONG

    return read


def _split(text: str) -> Any:
    """Return the elements of a JSON list, or of a text with commas."""
    if text.lstrip().startswith("["):
        return json.loads(text)
    return [word for word in map(str.strip, text.split(",")) if word]


_KINDS: dict[type, _Kind] = {
    float: _Kind("a number", _number, _parsed(float)),
    int: _Kind("a whole number", _whole, _parsed(int)),
    bool: _Kind(
        "true or false",
        lambda value: value if isinstance(value, bool) else _WRONG,
        lambda text: _TRUTH.get(text.strip().lower(), _WRONG),
    ),
    str: _Kind("text", lambda value: value if isinstance(value, str) else _WRONG, lambda text: text),
    list: _Kind("a list of texts", _texts, _parsed(_split)),
}

#: Names of the limits, with the words for them and the comparison with a value.
_LIMITS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "ge": ("of at least", lambda value, limit: bool(value >= limit)),
    "gt": ("above", lambda value, limit: bool(value > limit)),
    "le": ("of at most", lambda value, limit: bool(value <= limit)),
    "lt": ("below", lambda value, limit: bool(value < limit)),
}


def _shown(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return json.dumps(value)  # as in the form of Label Studio
    if isinstance(value, list | tuple):
        text = json.dumps(value, ensure_ascii=False, default=repr)
        return text if len(text) <= 60 else f"{text[:60]}…"
    return described(value)
