"""Format and parse texts: counts with nouns, shell commands, untrusted text for terminals, numbers in digits."""

import re
import shlex
from os import PathLike

#: Name of this package's command.
_COMMAND = "label-studio-ml"


#: Characters that end a line or change how a terminal shows the following text: controls except the tab, line and
#: paragraph separators, marks for the direction of writing, surrogates.
_HIDDEN = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SHORT_ESCAPES = {"\n": "\\n", "\r": "\\r"}


def visible(text: str) -> str:
    r"""Return `text` as one line, with each line break and invisible character escaped: `\n`, `\x1b`, `\u202e`.

    Used for names, ids and causes from other sources, which must neither look like this package's own lines nor control
    a terminal.
    """
    return _HIDDEN.sub(_escape, text)


def json_visible(text: str) -> str:
    r"""Return JSON text without line breaks, with each invisible character as a JSON escape: `\u009b`."""
    return _HIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _escape(match: re.Match[str]) -> str:
    number = ord(match[0])
    return _SHORT_ESCAPES.get(match[0]) or (f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}")


def plural(count: int, singular: str, plural_form: str = "") -> str:
    """Return a count with its noun: `1 task`, `0 tasks`, `1,240 tasks`.

    `plural_form` is by default `singular` with an `s`. Both may contain further words:
    `plural(count, "task has", "tasks have")`.
    """
    return f"{count:,} {singular if count == 1 else plural_form or f'{singular}s'}"


def whole_number(text: str) -> int | None:
    """Return the whole number that `text` consists of in ASCII digits, without a sign; None for anything else.

    `isdigit()` before `int()` is not enough: it accepts "²", and thousands of digits, both of which `int` refuses.
    """
    if not (text.isascii() and text.isdigit()):
        return None
    try:
        return int(text)
    except ValueError:
        return None


def shell_command(*words: str | int | PathLike[str]) -> str:
    """Return a command line for a shell, with the words quoted that need it.

    Paths are given as `PathLike`, so that one that begins with a hyphen is not taken for an option.
    """
    return shlex.join(
        f"./{word}" if isinstance(word, PathLike) and str(word).startswith("-") else str(word)
        for word in words
    )


def our_command(*words: str | int | PathLike[str]) -> str:
    """Return a call of `label-studio-ml` with `words` as a command line for a shell."""
    return shell_command(_COMMAND, *words)
