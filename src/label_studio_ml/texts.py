"""Texts that people wrote or read: counted things, commands that can be pasted into a shell, numbers in digits."""

import re
import shlex
from os import PathLike

#: Our command's name.
_COMMAND = "label-studio-ml"


#: Characters that change how a terminal shows what follows, or end a line: controls but the tab, separators of lines
#: and paragraphs, marks that turn the direction of writing, halves of surrogate pairs.
_HIDDEN = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_NAMED = {"\n": "\\n", "\r": "\\r"}


def visible(text: str) -> str:
    r"""Return `text` as one line, each character in it that is not seen as an escape: `\n`, `\x1b`, `\u202e`.

    For what others wrote (names, ids, causes), where it must neither look like a line of ours nor work on a terminal.
    """
    return _HIDDEN.sub(_escape, text)


def json_visible(text: str) -> str:
    r"""Return JSON without line breaks, each character in it that is not seen as JSON's escape for it: `\u009b`."""
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escape(found: re.Match[str]) -> str:
    number = ord(found[0])
    return _NAMED.get(found[0]) or (f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}")


def plural(count: int, singular: str, several: str = "") -> str:
    """Return a count with its noun: `1 task`, `0 tasks`, `1,240 tasks`.

    `several` is the form for all counts but one, where it is not `singular` with an `s`. Both may hold more than the
    noun: `plural(count, "task has", "tasks have")`.
    """
    return f"{count:,} {singular if count == 1 else several or f'{singular}s'}"


def whole_number(text: str) -> int | None:
    """Return the whole number that `text` writes in ASCII digits, without a sign; None if it is anything else.

    In place of `isdigit()` before `int()`: the one takes "²", which the other refuses, as it does thousands of digits.
    """
    if not (text.isascii() and text.isdigit()):
        return None
    try:
        return int(text)
    except ValueError:
        return None


def shell_command(*words: str | int | PathLike[str]) -> str:
    """Return a command as it is typed into a shell; words with blanks and the like are quoted."""
    return shlex.join(str(word) for word in words)


def our_command(*words: str | int | PathLike[str]) -> str:
    """Return a call of `label-studio-ml` as it is typed into a shell."""
    return shell_command(_COMMAND, *words)
