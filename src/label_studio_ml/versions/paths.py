"""Paths inside a folder that may be moved: kept relative to it, and given back as paths of where it is now.

A text is kept with a mark in place of the folder's path: `<version folder>/model.bin`, or `<version folder, in JSON>`
where the text is JSON, whose escapes the path then gets. What the text itself has of a mark is kept as
`<version folder as text`. So every text comes back as it was, but for the folder's path.
"""

import json
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml.versions.disk import file_name
from label_studio_ml.versions.manifest import Manifest

#: What may stand before a path, and what may not follow it, for it to be the whole path of the folder.
_BEFORE, _AFTER = r"(?:(?<![\w./~+%-])|(?<=://))", r"(?![\w-])(?!\.\w)"
#: The part of a path before its end that is known: the whole text, all after a quote, or up to a blank.
_PREFIXES = (r"^(/.*?)", r"(?<=[\"'])(/[^\"'\n]*?)", _BEFORE + r"(/[^\s\"'<>,;]*?)")
#: The pattern of a version's folder below its project's.
VERSION = r"/[^/\s\"'<>,;]+"


class MovablePaths:
    """The paths of one folder in texts. `name` is what its mark calls it, `former` are other places where it was."""

    def __init__(self, name: str, folder: Path, *former: Path) -> None:
        self._open = f"<{name} folder"
        self._folder = str(folder)
        ways = (str, os.path.abspath, os.path.realpath)
        spellings = {str(way(place)) for way in ways for place in (folder, *former)} - {"/"}
        escaped = {json.dumps(one, ensure_ascii=only)[1:-1] for one in spellings for only in (True, False)}
        slashed = {one.replace("/", "\\/") for one in escaped}
        self._spellings = sorted(spellings | escaped | slashed, key=len, reverse=True)
        self._path = re.compile(f"{_BEFORE}(?:{'|'.join(map(re.escape, self._spellings))}){_AFTER}")
        self._mark = re.compile(re.escape(self._open) + "(>|, in JSON>| as text)")

    def marks(self, text: str) -> bool:
        """Tell whether a text has marks of this folder."""
        return self._open in text

    def packed(self, text: str) -> str:
        """Return the text with a mark for each path of the folder."""
        if self._open in text:
            text = text.replace(self._open, f"{self._open} as text")
        if not any(spelling in text for spelling in self._spellings):
            return text
        mark = f"{self._open}, in JSON>" if _is_json(text) else f"{self._open}>"
        return self._path.sub(lambda _: mark, text)

    def unpacked(self, text: str) -> str:
        """Return a text that was packed, maybe when the folder was elsewhere, with the paths of this one."""
        if self._open not in text:
            return text
        paths = {
            ">": self._folder,
            ", in JSON>": json.dumps(self._folder)[1:-1],
            " as text": self._open,
        }
        return self._mark.sub(lambda found: paths[found[1]], text)


def portable(manifest: Manifest, folder: Path, *former: Path) -> Manifest:
    """Return a manifest as it is kept: marks for the paths of the version's `folder` and of the model folder.

    `former` are other places where that folder was.
    """
    if manifest.portable:
        return manifest
    version = MovablePaths("version", folder, *former)
    model = MovablePaths("model", *(place.parents[2] for place in (folder, *former)))
    kept = _changed(manifest, lambda text: model.packed(version.packed(text)))
    return msgspec.structs.replace(kept, portable=True, folder="")


def localized(manifest: Manifest, folder: Path) -> Manifest:
    """Return a manifest that was read with the paths of `folder`, where the version is now.

    One of an earlier release has the paths of the folder that the version was made in; they are turned into those of
    `folder`, too.
    """
    if not manifest.portable:
        former = [place for place in _former_folders(manifest) if place != folder]
        manifest = portable(manifest, folder, *former) if former else manifest
    if manifest.portable:
        version, model = MovablePaths("version", folder), MovablePaths("model", folder.parents[2])
        manifest = _changed(manifest, lambda text: version.unpacked(model.unpacked(text)))
    return msgspec.structs.replace(manifest, portable=False, folder="")


def relocated(text: str, old: Path, new: Path) -> str:
    """Return a text with the paths of one version's folder turned into those of its copy."""
    return MovablePaths("version", new).unpacked(MovablePaths("version", old).packed(text))


def former_folders(text: str, tail: str) -> list[str]:
    """Return what comes before `tail`, a pattern of the end of a path, wherever a text has such a path."""
    found = (
        match[1]
        for prefix in _PREFIXES
        for match in re.finditer(f"{prefix}/{tail}{_AFTER}", text.replace("\\/", "/"))
    )
    return list(dict.fromkeys(found))


def _former_folders(manifest: Manifest) -> Iterable[Path]:
    """Return where the folder of a version was, as the paths in its manifest tell."""
    if manifest.folder:
        return [Path(manifest.folder)]
    project = Path("versions", file_name(manifest.project))
    texts = _texts([manifest.train_output, manifest.state])
    any_version = re.escape(str(project)) + VERSION
    naming = (text for text in texts if str(project) in text.replace("\\/", "/"))
    found = (prefix for text in naming for prefix in former_folders(text, any_version))
    return [Path(prefix, project, file_name(manifest.id)) for prefix in dict.fromkeys(found)]


def _changed(manifest: Manifest, change: Callable[[str], str]) -> Manifest:
    return msgspec.structs.replace(
        manifest,
        train_output=_walk(manifest.train_output, change),
        state={key: change(value) for key, value in manifest.state.items()},
    )


def _walk(value: Any, change: Callable[[str], str]) -> Any:
    """Return JSON values with each text in them changed, however deep; keys of objects, too."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {_walk(key, change): _walk(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_walk(item, change) for item in value]
    if isinstance(value, os.PathLike):
        return change(os.fspath(value))
    return value


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from _texts(item)


def _is_json(text: str) -> bool:
    if text.lstrip()[:1] not in ("{", "[", '"'):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
