"""`label-studio-ml explain [CODE or WORDS]`: say what an error means, its usual causes and what to do."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from label_studio_ml.cli.streams import say
from label_studio_ml.errors import SettingsError
from label_studio_ml.support.texts import our_command, visible

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
    from label_studio_ml.troubleshooting.entries import codes_in
    from label_studio_ml.troubleshooting.python_errors import CODES, python_error
    from label_studio_ml.troubleshooting.search import Match, find

    text = " ".join(args.words)
    if not text.strip():
        _list_codes()
        return 0
    matches = find(text)
    if _show_status(text):
        matches = [match for match in matches if not match.is_weak]
        if not matches:
            return 0
    error = None if codes_in(text) else python_error(text)
    if error is not None:
        say(*error.explanation.splitlines(), "")
        matches = [match for match in matches if not match.is_weak]
        matches = matches or [Match(code, (), is_weak=True) for code in CODES]
    if not matches:
        raise SettingsError(
            f"No error has this code, or a message with these words: {visible(text[:_MAX_TEXT])}",
            fix="List all codes with label-studio-ml explain, or give other words, without names and numbers",
            field="WORDS",
        )
    _show(matches, in_full=bool(codes_in(text)))
    return 0


def _show_status(text: str) -> bool:
    """Print what the status of HTTP means that a text is, if it is one; return whether it is.

    A number may be a code as well: then a line leads over to the entry of the code.
    """
    from label_studio_ml.troubleshooting.entries import CODE, by_code, codes_in
    from label_studio_ml.troubleshooting.http_statuses import http_status
    from label_studio_ml.troubleshooting.search import Match

    status = None if CODE.search(text) else http_status(text)
    if status is None:
        return False
    say(*status.explanation.splitlines(), "")
    if status.codes:
        _show([Match(code, (), is_weak=True) for code in status.codes])
    if named := [code for code in codes_in(text) if code in by_code()]:
        say("", f"If {' or '.join(named)} is meant, a code of this package:", "")
    return True


def _list_codes() -> None:
    """Print the codes and titles of all entries by group."""
    from label_studio_ml.troubleshooting.entries import groups

    for group in groups():
        say(f"{group.title}:")
        for entry in group.entries:
            say(f"  {entry.code}  {entry.title}")
    say("", "label-studio-ml explain CODE says more, and so does: label-studio-ml explain WORDS OF A MESSAGE")


def _show(matches: Sequence["Match"], *, in_full: bool = False) -> None:
    """Print the entry of the only match, or else the titles of all, with the messages that are like the words.

    `in_full`: the entries of all matches are printed.
    """
    from label_studio_ml.troubleshooting.entries import by_code

    is_only = in_full or (len(matches) == 1 and not matches[0].is_weak)
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
        say("The causes, and what to do:", *(f"  {our_command('explain', match.code)}" for match in matches))
