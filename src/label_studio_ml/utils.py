"""Helper functions for users' model files, with the names and arguments of older releases.

Importing this module has no side effects: files, network and threads are used in calls only.
"""

import difflib
import math
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from label_studio_ml.config.setting_values import NO, YES
from label_studio_ml.config.settings import Settings
from label_studio_ml.protocol.label_config import describe, first_tag
from label_studio_ml.studio.addresses.references import Kind, find_reference
from label_studio_ml.support import arguments
from label_studio_ml.support.texts import plural

#: The task field in which Label Studio keeps the value of a task that was imported without field names.
DATA_UNDEFINED_NAME = "$undefined$"

#: EXIF orientations (tag 0x0112, EXIF 2.32 section 4.6.4) of images that are stored rotated by 90 degrees.
_ROTATED = frozenset({5, 6, 7, 8})
_ORIENTATION_TAG = 0x0112


def get_single_tag_keys(
    parsed_label_config: Mapping[str, Any], control_type: str, object_type: str
) -> tuple[str, str, str, list[str]]:
    """Return `(from_name, to_name, value, labels)` of a config with one control tag on one object tag.

    `value` is the task field that the object shows. Raises ValueError, saying what the config has, if it is not exactly
    one `control_type` on one `object_type`.
    """
    _check_parsed(parsed_label_config)
    present = describe(parsed_label_config) or "no control tags"
    if len(parsed_label_config) != 1:
        raise ValueError(f"This model needs a label config with one <{control_type}> only; it has {present}")
    from_name, info = next(iter(parsed_label_config.items()))
    if info["type"] != control_type:
        raise ValueError(f"This model needs a <{control_type}>; the label config has {present}")
    if len(info["to_name"]) != 1 or [source["type"] for source in info["inputs"]] != [object_type]:
        raise ValueError(
            f"This model needs a <{control_type}> for one <{object_type}>; the label config has {present}"
        )
    source = info["inputs"][0]
    value = source.get("value") or source.get("valueList")
    if not value:
        raise ValueError(f"The <{object_type}> of the label config has neither value nor valueList")
    return from_name, info["to_name"][0], value, info["labels"]


def get_first_tag_keys(
    parsed_label_config: Mapping[str, Any], control_type: str, object_type: str
) -> tuple[str, dict[str, Any]] | tuple[None, None]:
    """Return name and description of the first `control_type` on an `object_type`, or `(None, None)`."""
    _check_parsed(parsed_label_config)
    try:
        return first_tag(parsed_label_config, control_type, object_type)
    except ValueError:
        return None, None


def _check_parsed(config: Any) -> None:
    """Raise ValueError if `config` is not a mapping, as a parsed label config is."""
    if not isinstance(config, Mapping):
        kind = "the label config's XML" if isinstance(config, str) else type(config).__name__
        raise ValueError(f"parsed_label_config must be self.parsed_label_config, a dict, not {kind}")


def is_skipped(task: Mapping[str, Any]) -> bool:
    """Return whether the task's only annotation was skipped; False for any other number of annotations."""
    annotations = _annotations(task)
    if len(annotations) != 1:
        return False
    return bool(annotations[0].get("skipped") or annotations[0].get("was_cancelled"))


def get_choice(task: Mapping[str, Any]) -> str:
    """Return the first choice of the first result in the task's first annotation.

    Raises ValueError, naming the missing part, if there is none.
    """
    part: Any = {"annotations": _annotations(task)}
    location = f"task {task.get('id', '')}".strip()
    for key in ("annotations", 0, "result", 0, "value", "choices", 0):
        try:
            part = part[key]
        except (KeyError, IndexError, TypeError):
            raise ValueError(f"The {location} has no choice: {_name(key)} is missing") from None
        location = f"{location}, {_name(key)}"
    return str(part)


def _name(key: str | int) -> str:
    return "first element" if isinstance(key, int) else f"'{key}'"


def _annotations(task: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the task's annotations, which exports before Label Studio 1.0 call completions."""
    arguments.task("task", task)
    return task.get("annotations") or task.get("completions") or []


def get_env(name: str, default: Any = None, is_bool: bool = False) -> Any:
    """Return the first that is set of `LABEL_STUDIO_<name>`, `HEARTEX_<name>` and `<name>`, or `default`.

    The environment is that of a backend's child processes: this process's own with all settings added. With `is_bool`,
    the value is converted to a bool; raises ValueError if it is neither true nor false.
    """
    environment = Settings.from_env().child_env()
    value = next(
        (environment[key] for key in (f"LABEL_STUDIO_{name}", f"HEARTEX_{name}", name) if key in environment),
        None,
    )
    if value is None or not is_bool:
        return default if value is None else value
    if value.lower() in YES:
        return True
    if value.lower() in NO | {"not"}:
        return False
    raise ValueError(f"{name}={value!r} is neither true nor false")


def get_local_path(
    url: str,
    cache_dir: str | None = None,
    project_dir: str | None = None,
    hostname: str | None = None,
    image_dir: str | None = None,
    access_token: str | None = None,
    download_resources: bool = True,
    task_id: int | str | None = None,
) -> str:
    """Return the path of a local copy of the file that a task refers to by `url`; fetch the file if necessary.

    Label Studio's URL and token default to the settings; the configured token is sent to the configured URL only.
    `image_dir` is a folder of uploads that is searched first. If `download_resources` is False, nothing is fetched, and
    the path that the copy would have is returned. Raises FileFetchError.
    """
    from label_studio_ml.studio.addresses.local_files import upload_in
    from label_studio_ml.studio.login import configured_files

    files = configured_files(hostname or "", access_token or "", cache_dir=cache_dir)
    if image_dir and (upload := upload_in(Path(image_dir), url, files.studio_url)):
        return str(upload)
    if not download_resources:
        return str(files.cached_path(url))
    return files.local_path(url, task_id=task_id, project_dir=project_dir)


def get_image_local_path(
    url: str,
    image_cache_dir: str | None = None,
    project_dir: str | None = None,
    image_dir: str | None = None,
) -> str:
    """Return the path of a local copy of an image; see `get_local_path`."""
    return get_local_path(url, image_cache_dir, project_dir, None, image_dir)


def get_image_size(filepath: Any) -> tuple[int, int]:
    """Return width and height in pixels of an image as displayed, that is, rotated according to its EXIF data.

    `filepath` is a path or a binary file. Only the file's header is read.
    """
    from PIL import Image

    with Image.open(filepath) as image:
        width, height = image.size
        rotated = image.getexif().get(_ORIENTATION_TAG) in _ROTATED
    return (height, width) if rotated else (width, height)


class InMemoryLRUDictCache:
    """A dict of at most `capacity` values that evicts the least recently used one. Thread-safe."""

    def __init__(self, capacity: int = 1) -> None:
        self.capacity = arguments.count("capacity", capacity)
        self.cache: OrderedDict[Any, Any] = OrderedDict()
        self._lock = threading.Lock()

    def __contains__(self, key: Any) -> bool:
        return key in self.cache

    def get(self, key: Any) -> Any:
        """Return a value and mark it as recently used; None if there is none."""
        with self._lock:
            if key not in self.cache:
                return None
            self.cache.move_to_end(key)
            return self.cache[key]

    def put(self, key: Any, value: Any) -> None:
        """Store `value`; evict the least recently used values if there are too many."""
        with self._lock:
            self.cache[key] = value
            self.cache.move_to_end(key)
            while len(self.cache) > self.capacity:
                self.cache.popitem(last=False)

    def __str__(self) -> str:
        return str(self.cache)


def match_labels(text: str, labels: Sequence[str]) -> list[str]:
    """Return, for each non-blank line of `text`, the most similar label.

    A label that is equal except for case and surrounding blanks takes precedence. Raises ValueError if `labels` is
    empty.
    """
    arguments.text("text", text)
    labels = arguments.texts("labels", labels, "a list of labels")
    if not labels:
        raise ValueError("labels is empty: there is nothing to match the text with")

    def similarity(line: str, label: str) -> tuple[bool, bool, float]:
        equal_but_for_case = label.strip().casefold() == line.casefold()
        return label == line, equal_but_for_case, difflib.SequenceMatcher(None, line, label).ratio()

    lines = [line.strip() for line in text.splitlines()]
    return [max(labels, key=lambda label: similarity(line, label)) for line in lines if line]


def is_valid_url(path: str) -> bool:
    """Return whether all of `path` is a URL with scheme and host. A text with blanks or control characters is not."""
    arguments.text("path", path, "the text of a URL or path")
    if not path.isprintable() or " " in path:
        return False
    try:
        parts = urlsplit(path)
    except ValueError:
        return False
    return bool(parts.scheme and parts.netloc)


def is_preload_needed(url: str) -> bool:
    """Return whether all of `url` refers to a file to be fetched: an upload, local-files, cloud or http(s) URL.

    Other text, including the path of an existing file on this machine, is no reference.
    """
    reference = find_reference(arguments.text("url", url))
    return reference is not None and reference.kind is not Kind.DATA


def compare_nested_structures(
    a: Any,
    b: Any,
    path: str = "",
    rel: float = 1e-4,
    abs: float | None = None,  # noqa: A002 - the name that users' tests pass
) -> None:
    """Check that two structures of dicts, lists and values are equal, with a tolerance for floats in `a`.

    The tolerance is the larger of `rel` times the value in `b` and `abs` (None or 0: 1e-12). Raises AssertionError with
    the path of the first difference.
    """
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        _check(a.keys() == b.keys(), path, f"keys {sorted(map(str, a))} differ from {sorted(map(str, b))}")
        for key in a:
            compare_nested_structures(a[key], b[key], f"{path}.{key}", rel=rel, abs=abs)
    elif isinstance(a, list | tuple) and isinstance(b, list | tuple):
        _check(
            len(a) == len(b), path, f"{plural(len(a), 'element differs', 'elements differ')} from {len(b)}"
        )
        for index, (left, right) in enumerate(zip(a, b, strict=True)):
            compare_nested_structures(left, right, f"{path}[{index}]", rel=rel, abs=abs)
    elif isinstance(a, float) and isinstance(b, int | float):
        tolerance = max(rel * math.fabs(b), abs or 1e-12)
        _check(a == b or math.fabs(a - b) <= tolerance, path, f"{a!r} is not near {b!r}")
    else:
        _check(bool(a == b), path, f"{a!r} differs from {b!r}")


def _check(equal: bool, path: str, difference: str) -> None:
    if not equal:
        raise AssertionError(f"{difference} at {path or 'the top'}")
