"""Functions that stand in for the methods of a model class: the decorators `predict_fn` and `update_fn`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Functions:
    """Functions that stand in for the methods of a class, one of each kind."""

    predict: Callable[..., Any] | None = None
    update: Callable[..., Any] | None = None


functions = Functions()


def predict_fn(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make `function(tasks, context, helper=model, **kwargs)` the `predict` of models that do not override it."""
    functions.predict = function
    return function


def update_fn(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make `function(event, data, helper=model, **kwargs)` the `fit` of models that do not override it."""
    functions.update = function
    return function


def has_update_fn() -> bool:
    """Tell whether `update_fn` has registered a function."""
    return functions.update is not None
