"""`self.once` of a model: values that are computed once for each content of a file."""

import functools
import hashlib
import inspect
import json
import secrets
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from label_studio_ml.errors import ModelError, ModelFileError
from label_studio_ml.model_api.api_generation import file_getter
from label_studio_ml.params.class_params import declaration_of
from label_studio_ml.support import arguments

#: Part of the names of values: after a change of their format, values of earlier releases are not found.
_FORMAT = b"1"
#: Bytes of the names of values, which are hashes.
_NAME_BYTES = 16

#: `names`: those of the values that this thread is computing.
_in_progress = threading.local()


def once(
    self: Any,
    task: Mapping[str, Any],
    key: str,
    compute: Callable[[Any], Any],
    *,
    field: str | None = None,
    shared: bool = False,
) -> Any:
    """Return `compute(path)` for the local copy of the task's file; the value is computed once and kept under `key`.

    `self` is the model. `field` names the field of the task's data with the file, by default the first one with a file
    in the label config; `compute` gets a list of paths if it has several files, and the field's own value, a text for
    example, if it has none. The value may consist of numpy arrays, torch tensors, bytes, numbers, texts, and lists and
    dicts of these; tuples become lists, and tensors are in main memory. Each call returns a copy.

    Values are kept on the disk, for all processes, by the content of the file, `key`, and what the model is: its code,
    version, project, label config and arguments. With `shared`, by content and `key` alone, so that all versions of all
    models of the backend use the value; then `key` should name all that the value depends on, such as the weights.

    Raises ModelError if the value cannot be kept, the field is not there, or it has no address although an `<Image>`,
    `<Audio>`, `<Video>` or `<Pdf>` shows it, FileFetchError, and what `compute` raises.
    """
    from label_studio_ml.model_api.computed.task_input import task_input
    from label_studio_ml.model_api.computed.value_cache import configured_values

    arguments.task("task", task)
    arguments.text("key", key)
    if not callable(compute):
        raise arguments.wrong("compute", "a function of the file's path", compute)
    if field is not None:
        arguments.text("field", field, "the name of a field of the task's data")
    source = task_input(task, field, self.controls, file_getter(self.get_local_path, task.get("id")))
    name = hashlib.blake2b(digest_size=_NAME_BYTES)
    for part in (
        _FORMAT,
        key.encode("utf-8", "surrogatepass"),
        b"" if shared else _owner(self),
        source.content,
    ):
        name.update(len(part).to_bytes(8, "big") + part)
    digest = name.hexdigest()
    if digest in _names_in_progress():  # it would wait for itself
        raise ModelError(
            f"The function that computes {key!r} calls once for {key!r} of the same file",
            fix="Compute the value in it without once, or give the other value a key of its own",
            field="compute",
        )
    values = self._context.values or configured_values()
    return values.get(digest, lambda: _computed(compute, source.value, key, digest))


def _computed(compute: Callable[[Any], Any], value: Any, key: str, name: str) -> Any:
    """Return `compute(value)`. Raises what it raises, ModelError if it is a coroutine function."""
    names = _names_in_progress()
    names.add(name)
    try:
        result = compute(value)
    finally:
        names.discard(name)
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise ModelError(
            f"The function that computes {key!r} is async, and once cannot wait for it",
            fix="Pass a function without async",
            field="compute",
        )
    return result


def _names_in_progress() -> set[str]:
    """Return the names of the values that this thread is computing, to be changed in place."""
    names: set[str] = _in_progress.__dict__.setdefault("names", set())
    return names


def _owner(model: Any) -> bytes:
    """Return what identifies a model, as a hash: its class and code, project, version, label config and arguments."""
    cls: type = type(model)
    parts = [
        f"{cls.__module__}.{cls.__qualname__}",
        model._context.code or _code_hash(cls),
        model.project_id,
        model.model_version,
        model.label_config,
        {**model._context.arguments, **model.init_kwargs},
        model.extra_params,
        _params(model, cls),
        None
        if model._context.version
        else model.train_output,  # a backend's versions have names of their own
    ]
    try:
        text = json.dumps(parts, sort_keys=True, default=repr)
    except (TypeError, ValueError):  # a dict with keys of several types, or one that contains itself
        text = repr(parts)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass")).digest()


def _params(model: Any, cls: type) -> dict[str, Any]:
    """Return the parameters that the class declares with their values, which also environment variables set."""
    declaration = declaration_of(cls)
    return {name: getattr(model.params, name, None) for name in declaration.parameters} if declaration else {}


@functools.lru_cache(maxsize=64)
def _code_hash(cls: type) -> str:
    """Return the hash of the code of a class; of a class without a file, a text that no other process has."""
    from label_studio_ml.user_code.code_identity import identify

    try:
        return identify(Path(inspect.getfile(cls))).hash
    except (TypeError, OSError, ModelFileError):
        return secrets.token_hex(16)
