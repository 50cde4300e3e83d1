"""`label-studio-ml explain [CODE or WORDS]`: say what an error means, its usual causes and what to do."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from label_studio_ml.cli.streams import say
from label_studio_ml.errors import SettingsError
from label_studio_ml.support.texts import visible

if TYPE_CHECKING:
    from label_studio_ml.troubleshooting.search import Match

#: Characters of the words that a refusal repeats.
_MAX_TEXT = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    parser.add_argument(
        "words",
        nargs="*",
        metavar="CODE or WORDS",
        help="an error's code, its message, or some words of it; default: list all codes",
    )


def run(args: argparse.Namespace) -> int:
    """Print the entries, or the list of codes, and return 0. Raises SettingsError if nothing fits the words."""
    from label_studio_ml.troubleshooting.search import find

    text = " ".join(args.words)
    if not text.strip():
        _list_codes()
        return 0
    matches = find(text)
    if not matches:
        raise SettingsError(
            f"No error has this code, or a message with these words: {visible(text[:_MAX_TEXT])}",
            fix="List all codes with label-studio-ml explain, or give other words, without names and numbers",
            field="WORDS",
        )
    _show(matches)
    return 0


def _list_codes() -> None:
    """Print the codes and titles of all entries by group."""
    from label_studio_ml.troubleshooting.entries import groups

    for group in groups():
        say(f"{group.title}:")
        for entry in group.entries:
            say(f"  {entry.code}  {entry.title}")
    say("", "label-studio-ml explain CODE says more, and so does: label-studio-ml explain WORDS OF A MESSAGE")


def _show(matches: Sequence["Match"]) -> None:
    """Print the entry of the only match, or else the titles of all, with the messages that are like the words."""
    from label_studio_ml.troubleshooting.entries import by_code

    is_only = len(matches) == 1 and not matches[0].is_weak
    for match in matches:
        entry = by_code()[match.code]
        if is_only:
            say(*entry.plain().splitlines())
        else:
            say(f"{'Maybe ' if match.is_weak else ''}{entry.code}: {entry.title}")
        if match.messages and is_only:
            say("", "Messages like this one:")
        for template in match.messages:
            say(f"  {template.message}")
            if template.fix:
                say(f"      {template.fix}")
        say("")
    if not is_only:
        say("The causes, and what to do: label-studio-ml explain CODE")
