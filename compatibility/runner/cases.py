"""What each example is asked: a label config that fits it, tasks, a click, annotations. Read from cases.toml."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILE = Path(__file__).resolve().parent.parent / "cases.toml"


@dataclass(frozen=True)
class Case:
    """The input of one example.

    In texts, `{studio}` stands for the address of the stand-in for Label Studio, and `{folder}` for the example's
    copy. `context` holds the regions that an annotator has drawn when an interactive model is asked; None: it is not
    asked with any. `contexts` are whole contexts that are sent after it, one after the other; a text `{answer.NAME}` in
    them is the last value NAME of a region in the answers before. `annotations[i]` is the result of the annotation of
    task i, for examples that train. Tasks and annotations are taken `repeat` times, for an example that needs many.
    `environment` is set for the backend, as its compose file would. `files` are created in the example's copy
    (path -> text). `because` says why the example cannot be run; it is left out then.
    """

    label_config: str = ""
    tasks: tuple[dict[str, Any], ...] = ()
    context: tuple[dict[str, Any], ...] | None = None
    contexts: tuple[dict[str, Any], ...] = ()
    annotations: tuple[tuple[dict[str, Any], ...], ...] = ()
    repeat: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    extra_params: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    because: str = ""


class InvalidCase(ValueError):
    """An entry of cases.toml that cannot be used."""


def load(file: Path = FILE) -> dict[str, Case]:
    """Return the cases of `file` by the example's name. Raises InvalidCase."""
    try:
        entries = tomllib.loads(file.read_text())
    except tomllib.TOMLDecodeError as error:
        raise InvalidCase(f"{file.name} is no TOML: {error}") from error
    return {name: _case(f"{file.name}: [{name}]", entry) for name, entry in entries.items()}


def _case(place: str, entry: Any) -> Case:
    if not isinstance(entry, dict):
        raise InvalidCase(f"{place} must be a table")
    unknown = sorted(set(entry) - set(Case.__dataclass_fields__))
    if unknown:
        raise InvalidCase(
            f"{place}: there is no field {unknown[0]!r}: {', '.join(Case.__dataclass_fields__)}"
        )
    if not entry.get("because") and not (entry.get("label_config") and entry.get("tasks")):
        raise InvalidCase(f"{place} needs label_config and tasks, or because")
    values = dict(entry)
    for name in ("tasks", "context", "contexts"):
        if name in values:
            values[name] = tuple(values[name])
    values["annotations"] = tuple(tuple(result) for result in values.get("annotations", ()))
    if len(values["annotations"]) > len(values.get("tasks", ())):
        raise InvalidCase(f"{place} has more annotations than tasks")
    for name in ("tasks", "annotations"):
        values[name] = values.get(name, ()) * values.get("repeat", 1)
    return Case(**values)


def filled(value: Any, words: Mapping[str, str]) -> Any:
    """Return `value` with each `{name}` of `words` in its texts replaced; other braces stay."""
    if isinstance(value, str):
        for name, word in words.items():
            value = value.replace(f"{{{name}}}", word)
        return value
    if isinstance(value, Mapping):
        return {key: filled(item, words) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [filled(item, words) for item in value]
    return value
