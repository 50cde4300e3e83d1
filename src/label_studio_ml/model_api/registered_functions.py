"""Functions that replace methods of a model class: the decorators `predict_fn` and `update_fn`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Functions:
    """The registered replacement functions of `predict` and `fit`; None where none is registered."""

    predict: Callable[..., Any] | None = None
    update: Callable[..., Any] | None = None


functions = Functions()


def predict_fn(function: Callable[..., Any]) -> Callable[..., Any]:
    """Register `function(tasks, context, helper=model, **kwargs)` as `predict` of models that do not override it."""
    functions.predict = function
    return function


def update_fn(function: Callable[..., Any]) -> Callable[..., Any]:
    """Register `function(event, data, helper=model, **kwargs)` as `fit` of models that do not override it."""
    functions.update = function
    return function


def has_update_fn() -> bool:
    """Tell whether a function is registered with `update_fn`."""
    return functions.update is not None
