"""Store texts with paths inside a movable folder, and restore the paths for the folder's present place.

In a stored text, a mark stands for the folder's path: `<version folder>/model.bin`, or `<version folder, in JSON>` if
the path is escaped as in JSON; `_STYLES` has a mark for each way of escaping. Text that looks like a mark is stored as
`<version folder as text`. A text that is stored and read again is therefore unchanged, except for the paths.
"""

import json
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml.versions.store.manifest import Manifest
from label_studio_ml.versions.store.version_files import file_name

#: Punctuation and blanks beyond ASCII; any other character beyond ASCII counts as part of a file's name.
_PUNCTUATION = (
    "\u00a0-\u00bf\u2000-\u200a\u2010-\u206f\u3000-\u303f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
)
#: The first three of the four digits of JSON's escapes for most of these, and for ASCII.
_ESCAPED = "(?:00[0-7]|20[0-6]|30[0-3]|[fF][fF][0-6])"
#: What may precede a path: the start of the text, a blank, quote, bracket or separator, also as JSON escapes it.
_BEFORE = rf"(?:^|(?<=[\s\"'`(\[{{<>,;:=|&?!@{_PUNCTUATION}])|(?<=://)|(?<=\\[nrtbf])|(?<=\\u{_ESCAPED}[0-9a-fA-F]))"
#: What must not follow a folder's path, because the folder's name continues there; options of a command may follow.
_AFTER = (
    r"(?![\w~-])(?!\.\w)(?![+@%#=^$][\w\\.~%-])"
    rf"(?![^\x00-\x7f{_PUNCTUATION}])(?!\\+u(?!{_ESCAPED}))"
    r"(?! (?!-)(?:(?! -)[^/\n\"'<>,;:()|])*[^\s/\"'<>,;:()|]/)(?! \([^()/\n]*\)/)"
)
#: The unknown start of a path with a known end: from the start of the text, after a quote, or without blanks.
_PREFIXES = (r"^(/.*?)", r"(?<=[\"'])(/[^\"'\n]*?)", _BEFORE + r"(/[^\s\"'<>,;]*?)")
#: Pattern of a slash and a version's folder name, as they follow the project's folder.
VERSION = r"/[^/\s\"'<>,;]+"


def _in_json(path: str, *, only_ascii: bool, slashes: bool) -> str:
    text = json.dumps(path, ensure_ascii=only_ascii)[1:-1]
    return text.replace("/", "\\/") if slashes else text


#: By the end of a mark: how to write the path. JSON may escape slashes and characters beyond ASCII.
_STYLES: dict[str, Callable[[str], str]] = {
    ">": str,
    ", in JSON>": lambda path: _in_json(path, only_ascii=True, slashes=False),
    ", in JSON of UTF-8>": lambda path: _in_json(path, only_ascii=False, slashes=False),
    ", in JSON with escaped slashes>": lambda path: _in_json(path, only_ascii=True, slashes=True),
    ", in JSON of UTF-8 with escaped slashes>": lambda path: _in_json(path, only_ascii=False, slashes=True),
}


class MovablePaths:
    """Replaces the paths of one folder in texts with marks, and back.

    `name` is the folder's name in its marks; `former` are places where the folder was before.
    """

    def __init__(self, name: str, folder: Path, *former: Path) -> None:
        self._open = f"<{name} folder"
        self._folder = str(folder)
        resolvers = (str, os.path.abspath, os.path.realpath)
        self._spellings = {str(resolve(path)) for resolve in resolvers for path in (folder, *former)} - {"/"}
        patterns = map(_pattern, sorted(self._spellings, key=len, reverse=True))
        self._path = re.compile(f"{_BEFORE}(?:{'|'.join(patterns)}){_AFTER}")
        #: The longest part of each spelling that no way of escaping changes: a quick test before the pattern.
        self._parts = {max(re.findall(r"[A-Za-z0-9_.-]*", spelling), key=len) for spelling in self._spellings}
        ends = "|".join(map(re.escape, _STYLES))
        self._mark = re.compile(f"{re.escape(self._open)}({ends}| as text)")

    def marks(self, text: str) -> bool:
        """Tell whether a text contains marks of this folder."""
        return self._open in text

    def packed(self, text: str) -> str:
        """Return a text with a mark in place of each path of the folder."""
        if self._open in text:
            text = text.replace(self._open, f"{self._open} as text")
        if not any(part in text for part in self._parts):
            return text
        usual = _usual_style(text)
        return self._path.sub(lambda match: self._open + self._style(match[0], usual), text)

    def _style(self, written: str, usual: str) -> str:
        """Return the end of the mark that restores a path as it was `written`; of several, prefer the `usual` one."""
        path = written if written in self._spellings else _unescaped(written)
        matching_styles = [end for end, style in _STYLES.items() if style(path) == written]
        if usual in matching_styles:
            return usual
        return next((end for end in matching_styles if end != ">"), ", in JSON>")

    def unpacked(self, text: str) -> str:
        """Return a packed text with the present path of the folder in place of each mark."""
        if self._open not in text:
            return text

        def path(match: re.Match[str]) -> str:
            style = _STYLES.get(match[1])
            return self._open if style is None else style(self._folder)

        return self._mark.sub(path, text)


def portable(manifest: Manifest, folder: Path, *former: Path) -> Manifest:
    """Return a manifest in its stored form: marks in place of the paths of the version's `folder` and the model folder.

    `former` are places where the version's folder was before. A manifest in that form is returned unchanged.
    """
    if manifest.portable:
        return manifest
    version = MovablePaths("version", folder, *former)
    model = MovablePaths("model", *(path.parents[2] for path in (folder, *former)))
    stored = _changed(manifest, lambda text: model.packed(version.packed(text)))
    return msgspec.structs.replace(stored, portable=True, folder="")


def localized(manifest: Manifest, folder: Path) -> Manifest:
    """Return a manifest that was read, with the paths of `folder`, the version's present place, instead of marks.

    A manifest of an earlier release has the paths of the folder in which the version was made; these are replaced, too.
    """
    if not manifest.portable:
        former = [path for path in _former_folders(manifest) if path != folder]
        manifest = portable(manifest, folder, *former) if former else manifest
    if manifest.portable:
        version, model = MovablePaths("version", folder), MovablePaths("model", folder.parents[2])
        manifest = _changed(manifest, lambda text: version.unpacked(model.unpacked(text)))
    return msgspec.structs.replace(manifest, portable=False, folder="")


def relocated(text: str, old: Path, new: Path) -> str:
    """Return a text with paths in the version folder `old` replaced by those in its copy `new`."""
    return MovablePaths("version", new).unpacked(MovablePaths("version", old).packed(text))


def relocated_values(value: Any, old: Path, new: Path) -> Any:
    """Return a JSON value with `relocated` applied to each text in it."""
    return _walk(value, lambda text: relocated(text, old, new))


def former_folders(text: str, tail: str) -> list[str]:
    """Return, without duplicates, the starts of the paths in a text that end with the pattern `tail`."""
    prefixes = (
        _unescaped(match[1])
        for prefix in _PREFIXES
        for match in re.finditer(f"{prefix}/{tail}{_AFTER}", text.replace("\\/", "/"))
    )
    return list(dict.fromkeys(prefixes))


def _pattern(path: str) -> str:
    """Return a pattern that matches a path as plain text, escaped as in JSON, or escaped twice (JSON within JSON)."""
    return "".join(map(_character, path))


def _character(character: str) -> str:
    if character == "/":
        return r"(?:\\|\\\\\\)?/"
    if character == "\\":
        return r"\\+"
    if character == '"':
        return r'\\*"'
    plain = re.escape(character)
    if character.isascii() and (character.isalnum() or character in "_.-"):
        return plain
    units = character.encode("utf-16-be", "surrogatepass").hex()
    escaped = "".join(rf"\\+u{units[at : at + 4]}" for at in range(0, len(units), 4))
    short = re.escape(json.dumps(character, ensure_ascii=False)[1:-1])  # \n, \t
    return f"(?:{plain}|(?i:{escaped})|{short})"


def _usual_style(text: str) -> str:
    """Return the style to prefer for paths in `text` that look the same in several styles."""
    if not _is_json(text):
        return ">"
    letters = "" if text.isascii() else " of UTF-8"
    slashes = " with escaped slashes" if "\\/" in text else ""
    return f", in JSON{letters}{slashes}>"


def _unescaped(path: str) -> str:
    """Return a path with the escapes of JSON resolved; a path that is not valid JSON stays as it is."""
    if "\\" not in path:
        return path
    try:
        return str(json.loads(f'"{path}"'))
    except ValueError:
        return path


def _former_folders(manifest: Manifest) -> Iterable[Path]:
    """Return the places where a version's folder was before, according to the paths in its manifest."""
    if manifest.folder:
        return [Path(manifest.folder)]
    project = Path("versions", file_name(manifest.project))
    texts = _texts([manifest.train_output, manifest.state])
    any_version = re.escape(str(project)) + VERSION
    with_project = (text for text in texts if str(project) in text.replace("\\/", "/"))
    prefixes = (prefix for text in with_project for prefix in former_folders(text, any_version))
    return [Path(prefix, project, file_name(manifest.id)) for prefix in dict.fromkeys(prefixes)]


def _changed(manifest: Manifest, change: Callable[[str], str]) -> Manifest:
    return msgspec.structs.replace(
        manifest,
        train_output=_walk(manifest.train_output, change),
        state={key: change(value) for key, value in manifest.state.items()},
    )


def _walk(value: Any, change: Callable[[str], str]) -> Any:
    """Return a JSON value with `change` applied to each text at any depth, also to keys and path objects."""
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
