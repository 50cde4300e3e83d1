"""Detect the API generation that a model class is written for, from the methods that it overrides.

A class of the *seed* generation has a `fit` that takes annotations (`fit(annotations, **kwargs) -> dict`), a class of
the *event* generation one that takes webhook events (`fit(event, data, **kwargs)`). Without `fit`, it is "none".
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal

from label_studio_ml.errors import ModelFileError
from label_studio_ml.model_api.registered_functions import functions, has_update_fn

Generation = Literal["seed", "event", "none"]

#: The module of LabelStudioMLBase: methods defined there do not count as overridden.
_BASE_MODULE = "label_studio_ml.model"

#: Names of the first parameter of `fit` that mark the seed generation; older model files use all of them.
_ANNOTATION_NAMES = frozenset(
    (
        "annotations",
        "completions",
        "tasks",
        "items",
        "data_iter",
        "annotated_tasks",
        "labeled_tasks",
        "labelled_tasks",
    )
)


def overrides(cls: type, name: str) -> bool:
    """Tell whether `cls`, or a class between it and LabelStudioMLBase, defines the attribute `name` itself."""
    owner = next((base for base in cls.__mro__ if name in vars(base)), None)
    return owner is not None and owner.__module__ != _BASE_MODULE


def generation(cls: type) -> Generation:
    """Return the generation of `cls`. A class attribute `FIT_API` (`"v1"`: seed, `"v2"`: event) takes precedence.

    Raises ModelFileError if `FIT_API` has another value.
    """
    stated = getattr(cls, "FIT_API", None)
    if stated is not None:
        if stated not in ("v1", "v2"):
            raise ModelFileError(
                f"{cls.__name__}.FIT_API is {stated!r}", fix='Use "v1" (annotations) or "v2" (events)'
            )
        return "seed" if stated == "v1" else "event"
    if not overrides(cls, "fit"):
        return "event" if has_update_fn() else "none"
    parameters = method_parameters(cls.fit)  # type: ignore[attr-defined]
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    names = [p.name for p in parameters]
    if positional and positional[0].name == "event":
        return "event"
    if "workdir" in names or "event" in names:
        return "seed"
    if positional and positional[0].name in _ANNOTATION_NAMES:
        return "seed"
    required = [p for p in positional if p.default is p.empty and p.name not in ("job", "job_id")]
    if len(required) == 2 or not positional:
        return "event"
    return "seed"


def initial_version(cls: type) -> str:
    """Return the version name of an event-generation class before any training; empty for other classes.

    A class without `fit` counts as one if it has `setup`, a `predict` that takes `context`, or its `predict` from
    `predict_fn`. A class that sets INITIAL_MODEL_VERSION itself always has that name.
    """
    if overrides(cls, "INITIAL_MODEL_VERSION") or _is_event_generation(cls):
        return str(getattr(cls, "INITIAL_MODEL_VERSION", ""))
    return ""


def _is_event_generation(cls: type) -> bool:
    """Tell whether a class is written for the event generation, with or without a `fit`."""
    kind = generation(cls)
    if kind != "none":
        return kind == "event"
    if not overrides(cls, "predict"):
        return overrides(cls, "setup") or functions.predict is not None
    names = [parameter.name for parameter in method_parameters(cls.predict)]  # type: ignore[attr-defined]
    return overrides(cls, "setup") or "context" in names


def has_predict(cls: type) -> bool:
    """Tell whether a class can predict: it overrides `predict`, or `predict_fn` has registered a function."""
    return overrides(cls, "predict") or functions.predict is not None


def method_parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return a function's parameters without `self`; `**kwargs` if its signature cannot be read."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return [inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)]
    return parameters[1:] if parameters and parameters[0].name == "self" else parameters


def accepts(function: Callable[..., Any], name: str) -> bool:
    """Tell whether `function` accepts a keyword argument `name`."""
    return any(p.kind is p.VAR_KEYWORD or p.name == name for p in method_parameters(function))


def file_getter(get_local_path: Callable[..., str], task_id: Any) -> Callable[[str], str]:
    """Return a function of the URL that calls `get_local_path`, whatever its parameters are called, for a task."""
    keywords = {"task_id": task_id} if accepts(get_local_path, "task_id") else {}
    parameters = method_parameters(get_local_path)
    url_parameters = [p for p in parameters if p.name == "url" and p.kind is not p.POSITIONAL_ONLY]
    otherwise_named = any(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
    if url_parameters or (accepts(get_local_path, "url") and not otherwise_named):
        return lambda url: get_local_path(url=url, **keywords)
    return lambda url: get_local_path(url, **keywords)


def overrides_hook(cls: type, name: str) -> bool:
    """Tell whether a class overrides a hook, a method that can be called with one value besides `self`."""
    if not overrides(cls, name):
        return False
    try:
        inspect.signature(getattr(cls, name)).bind(None, None)
    except (TypeError, ValueError):
        return False
    return True


def positional_arguments(
    args: tuple[Any, ...], project_id: Any, label_config: Any, train_output: Any
) -> tuple[Any, Any, Any]:
    """Assign a constructor's positional arguments, whose order differs between the generations, by their types.

    XML is the label config, a mapping the train output, any other value the project id. Returns project id, label
    config and train output.
    """
    for value in args:
        if isinstance(value, Mapping):
            train_output = value
        elif isinstance(value, str) and value.lstrip().startswith("<"):
            label_config = value
        elif value is not None and project_id is None:
            project_id = value
    return project_id, label_config, train_output
