"""The object of a task that a value is computed from: a file, several files, a text or other data of the task."""

import functools
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from label_studio_ml.controls import Controls, ObjectTag
from label_studio_ml.controls.object_tag import field_value
from label_studio_ml.errors import FileFetchError, ModelError
from label_studio_ml.studio.addresses.references import find_reference
from label_studio_ml.studio.files.parallel import error_of_task

#: Object tags whose field has the URL of a file; those of texts have one with `valueType="url"`.
_FILE_TAGS = frozenset(("Audio", "AudioPlus", "Image", "Pdf", "Video"))

#: Files whose hash a process remembers.
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class TaskInput:
    """What `compute` of `once` is called with, and a hash of its content.

    `value` is a local path, a list of paths, or the field's value if it refers to no file.
    """

    value: Any
    content: bytes


def task_input(
    task: Mapping[str, Any], field: str | None, controls: Controls, get_path: Callable[[str], str]
) -> TaskInput:
    """Return the value of `field` in a task's data, with its files fetched by `get_path`.

    None stands for the field of the first object tag with a file, else for that of the first object tag, else (if the
    label config has none) for the first field with a file, else for the only field. Raises ModelError, naming the
    field, also if it has no address where its object shows files, and what `get_path` raises.
    """
    data = task.get("data")
    if not isinstance(data, Mapping):
        raise ModelError(
            f"Task {task.get('id')} has no data", fix="Pass a task of Label Studio", field="data"
        )
    name = field.removeprefix("$") if field is not None else _default_field(data, controls)
    try:
        value = field_value(data, name)
    except KeyError as error:
        raise ModelError(
            f"Task {task.get('id')}: {error.args[0]}", fix="Correct field=", field=name
        ) from None
    tag = next((item for item in controls.objects if item.field == name), None)
    if not _has_files(value, tag):
        if tag is not None and tag.tag in _FILE_TAGS:  # what is in a list beside a number is no path to read
            raise ModelError(
                f"Task {task.get('id')}: the field {name!r} has no address of a file",
                fix="Correct the task's data",
                field=name,
            )
        return TaskInput(value, hashlib.blake2b(b"data" + _json(value)).digest())
    try:
        paths = [get_path(url) for url in ([value] if isinstance(value, str) else value)]
    except FileFetchError as error:
        raise error_of_task(error, task.get("id")) from error
    if isinstance(value, str):
        return TaskInput(paths[0], content_hash(paths[0]))
    return TaskInput(
        paths, b"list" + b"".join(map(content_hash, paths))
    )  # other than one file: a list is passed


def _default_field(data: Mapping[str, Any], controls: Controls) -> str:
    """Return the field that the value is computed from if the caller names none. Raises ModelError."""
    tags = {item.field: item for item in controls.objects if item.field}
    values = {name: value for name in tags if (value := _value(data, name)) is not None} or dict(data)
    with_files = [name for name, value in values.items() if _has_files(value, tags.get(name))]
    if not with_files and not tags and len(values) != 1:
        raise ModelError(
            f"It is not clear from which field of the task the value is computed: it has {', '.join(values) or 'none'}",
            fix='Name it, as in field="image"',
            field="field",
        )
    return next(iter([*with_files, *values]))


def _value(data: Mapping[str, Any], name: str) -> Any:
    try:
        return field_value(data, name)
    except KeyError:
        return None


def _has_files(value: Any, tag: ObjectTag | None) -> bool:
    """Tell whether a field's value refers to a file or is a list of such references.

    The object tag decides; without one (None), or where a tag shows files and other values, the form of the value does.
    """
    urls = value if isinstance(value, list) and value else [value]
    if not all(isinstance(url, str) for url in urls):
        return False
    if tag is not None and (tag.is_url or tag.tag in _FILE_TAGS):
        return True
    if tag is not None and "Text" in tag.tag:
        return False
    return all(find_reference(url) is not None for url in urls)


def content_hash(path: str) -> bytes:
    """Return a hash of a file's content. Files that did not change are not read again. Raises OSError."""
    status = os.stat(path)
    return _content_hash(path, status.st_size, status.st_mtime_ns, status.st_ino)


@functools.lru_cache(maxsize=_REMEMBERED)
def _content_hash(path: str, size: int, modified: int, inode: int) -> bytes:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, hashlib.blake2b).digest()


def _json(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value, order="deterministic")
    except (msgspec.MsgspecError, TypeError, ValueError):  # lone surrogates, for example
        return repr(value).encode("utf-8", "surrogatepass")
