"""Make tasks for a label config: fill in every field that it shows."""

import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from label_studio_ml.samples.field_tree import REPEATED, Node, fields_of
from label_studio_ml.samples.generators import generate
from label_studio_ml.samples.output_files import DataUrls, FolderFiles, Output
from label_studio_ml.samples.value_context import ValueContext
from label_studio_ml.support import arguments


def tasks(
    label_config: str,
    n: int = 10,
    *,
    seed: int = 0,
    files: str | os.PathLike[str] | None = None,
    document_root: str | os.PathLike[str] | None = None,
) -> list[dict[str, Any]]:
    """Return `n` tasks, each `{"id": …, "data": {…}}`, with a value for every field that `label_config` shows.

    The ids are 1 to `n`. The same `seed` gives the same tasks; a larger `n` only adds some. Texts rotate through
    scripts, the first task is in English. Pictures, sounds, videos, CSV and PDF files are in the tasks as data URLs, or
    with `files` in that folder (made if missing; files of the same names are replaced). The tasks then have addresses
    `/data/local-files/?d=…`, which Label Studio and `get_local_path` read if `document_root` is their
    LOCAL_FILES_DOCUMENT_ROOT; None means the parent folder of `files`.

    Raises LabelConfigError if the label config is not well-formed or a task would have more than 20,000 values,
    ValueError for other wrong arguments, and OSError.
    """
    arguments.text("label_config", label_config, "the label config's XML as text")
    arguments.count("n", n)
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise arguments.wrong("seed", "a whole number", seed)
    output: Output = DataUrls()
    if files is not None:
        if not os.fspath(files):  # it would be the current folder
            raise arguments.wrong("files", "the path of a folder", files)
        output = FolderFiles(Path(files), Path(document_root) if document_root is not None else None)
    data = fields_of(label_config)
    return [
        {"id": number + 1, "data": _value(data, "", number, seed, output) if data.fields else {}}
        for number in range(n)
    ]


def _value(node: Node, path: str, number: int, seed: int, output: Output) -> Any:
    """Return the value of a field of task `number` (from 0); `path` names the field."""
    context = ValueContext(number, path, random.Random(f"{seed}/{number}/{path}"), output)  # noqa: S311
    if node.each is not None or node.is_repeated:
        template = node.each or Node()
        count = context.rng.randint(*REPEATED)
        return [_value(template, f"{path}[{index}]", number, seed, output) for index in range(count)]
    if node.items:
        last = max(node.items)
        return [
            _value(node.items.get(index, node.items[last]), f"{path}[{index}]", number, seed, output)
            for index in range(last + 1)
        ]
    own = generate(node.uses, context) if node.uses or not node.fields else {}
    if not node.fields:
        return own
    parts = {
        key: _value(child, f"{path}.{key}" if path else key, number, seed, output)
        for key, child in node.fields.items()
    }
    return {**(own if isinstance(own, Mapping) else {}), **parts}
