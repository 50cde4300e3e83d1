"""The tree of errors, as its docstring draws it."""

import re

from label_studio_ml import errors
from label_studio_ml.errors import BackendError


def _drawn() -> dict[str, str]:
    """Return each class in the docstring's drawing with its parent."""
    parents: dict[str, str] = {}
    above: dict[int, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"    ([│ ├└─]*)([A-Z]\w+)", line):
            depth = len(match[1])
            above[depth] = match[2]
            closest = max((one for one in above if one < depth), default=None)
            parents[match[2]] = above[closest] if closest is not None else "Exception"
            above = {one: name for one, name in above.items() if one <= depth}
    return parents


def test_the_tree_is_the_drawn_one() -> None:
    real = {
        name: thing.__bases__[0].__name__
        for name, thing in vars(errors).items()
        if isinstance(thing, type) and issubclass(thing, BackendError)
    }
    assert _drawn() == real
    assert len(real) == 42


def test_every_class_says_what_it_is() -> None:
    for name in _drawn():
        assert getattr(errors, name).__doc__


def test_message_and_fix_are_one_line() -> None:
    assert str(BackendError("It is\nwrong.", fix="Make it\n right")) == "It is wrong. Make it right"
    assert str(BackendError("It is wrong")) == "It is wrong"
    error = BackendError("m", fix="f", field="x")
    assert (error.message, error.fix, error.field, error.args) == ("m", "f", "x", ("m",))
