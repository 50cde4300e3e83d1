"""`label-studio-ml versions DIR`: list a project's versions, with the served one and why others are not served."""

import argparse
import json
import sys
from datetime import datetime

from label_studio_ml.cli.shared import store_arguments
from label_studio_ml.cli.streams import say, say_json
from label_studio_ml.cli.versions.code_comparison import code_here
from label_studio_ml.support.texts import visible
from label_studio_ml.versions.listing import Entry, entries

#: Width in characters of a table that is written to a file or a pipe.
_WIDTH = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `versions`."""
    store_arguments.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--verify", action="store_true", help="read every file and compare it with what was written"
    )


def run(args: argparse.Namespace) -> int:
    """Print the versions, newest first; return 0, or 1 if `--verify` finds a damaged one."""
    found = store_arguments.find(args, reads=True)
    listed = entries(found.store, found.uid, verify=args.verify, code=code_here(args))
    problem = found.store.undecided_in(found.uid)
    if args.json:
        body = {"project": found.uid, "versions": [entry.to_dict() for entry in listed]}
        body |= {"problem": problem} if problem else {}
        say_json(json.dumps(body, indent=1, ensure_ascii=False))
    elif listed:
        _print_table(found.project, listed)
    else:
        say(f"Project {found.project} has no trained version yet")
    if problem and not args.json:
        say(problem)
    return int(args.verify and any(entry.state == "damaged" for entry in listed))


def _code_notes(listed: list[Entry]) -> list[str]:
    """Return a line for each code other than the folder's that trained versions, with these versions."""
    trained: dict[str, list[Entry]] = {}
    for entry in listed:
        if entry.code_differs:
            trained.setdefault(entry.code, []).append(entry)
    return [
        f"Code {code} trained {', '.join(entry.name for entry in made)} (the first {_moment(made[-1].created)}); "
        f"the folder has other code, different: {', '.join(made[0].code_differs)}"
        for code, made in trained.items()
    ]


def _print_table(project: str, listed: list[Entry]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left")
    for name, right in (
        ("VERSION", False),
        ("TRAINED", False),
        ("ANNOTATIONS", True),
        ("METRICS", False),
        ("PARENT", False),
        ("SIZE", True),
        ("STATE", False),
    ):
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for entry in listed:
        cells = (
            entry.name,
            _moment(entry.created),
            "" if entry.annotations is None else f"{entry.annotations:,}",
            "\n".join(f"{name} {_number(value)}" for name, value in entry.metrics.items()),
            entry.parent,
            _size(entry.size),
            _state(entry),
        )
        style = {"served": "bold green", "damaged": "red", "failed to load": "red"}.get(entry.state, "")
        table.add_row(*(Text("\n".join(map(visible, cell.split("\n")))) for cell in cells), style=style)
    console = Console(width=None if sys.stdout.isatty() else _WIDTH, highlight=False)
    console.print(
        Text(visible(f"Project {project}")), table, *map(Text, map(visible, _code_notes(listed))), sep="\n"
    )


def _state(entry: Entry) -> str:
    state = "served, pinned" if entry.pinned and entry.state == "served" else entry.state
    return f"{state}: {entry.note}" if entry.note else state


def _number(value: float | None) -> str:
    return "not a number" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _moment(text: str) -> str:
    """Return an ISO time as local time; other text is returned unchanged."""
    try:
        return f"{datetime.fromisoformat(text).astimezone():%Y-%m-%d %H:%M:%S}"
    except ValueError:
        return text


def _size(size: int) -> str:
    amount, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
