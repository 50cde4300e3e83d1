"""Parts of messages to people: counted things, and commands that can be pasted into a shell."""

import shlex
from os import PathLike

#: Our command's name.
_COMMAND = "label-studio-ml"


def plural(count: int, singular: str, several: str = "") -> str:
    """Return a count with its noun: `1 task`, `0 tasks`, `1,240 tasks`.

    `several` is the form for all counts but one, where it is not `singular` with an `s`. Both may hold more than the
    noun: `plural(count, "task has", "tasks have")`.
    """
    return f"{count:,} {singular if count == 1 else several or f'{singular}s'}"


def shell_command(*words: str | int | PathLike[str]) -> str:
    """Return a command as it is typed into a shell; words with blanks and the like are quoted."""
    return shlex.join(str(word) for word in words)


def our_command(*words: str | int | PathLike[str]) -> str:
    """Return a call of `label-studio-ml` as it is typed into a shell."""
    return shell_command(_COMMAND, *words)
