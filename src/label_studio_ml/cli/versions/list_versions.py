"""`label-studio-ml versions DIR`: list a project's versions, with the served one and why others are not served."""

import argparse
import json

from label_studio_ml.cli.shared import store_arguments
from label_studio_ml.cli.shared.tables import Column, Row, print_table
from label_studio_ml.cli.shared.units import metrics_text, moment, size
from label_studio_ml.cli.streams import say, say_json
from label_studio_ml.cli.versions.code_comparison import code_here
from label_studio_ml.support.texts import plural
from label_studio_ml.versions.listing import Entry, entries

_COLUMNS = (
    Column("VERSION"),
    Column("TRAINED"),
    Column("ANNOTATIONS", right=True, wide=True),
    Column("METRICS", wide=True),
    Column("PARENT", wide=True),
    Column("SIZE", right=True, wide=True),
    Column("STATE", state=True),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `versions`."""
    store_arguments.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--verify", action="store_true", help="read every file and compare it with what was written"
    )


def run(args: argparse.Namespace) -> int:
    """Print the versions, newest first; return 0, or 1 if `--verify` finds a damaged one."""
    project = store_arguments.find(args, reads=True)
    versions = entries(project.store, project.uid, verify=args.verify, code=code_here(args))
    problem = project.store.decision_problem(project.uid)
    if args.json:
        body = {"project": project.uid, "versions": [entry.to_dict() for entry in versions]}
        body |= {"problem": problem} if problem else {}
        say_json(json.dumps(body, indent=1, ensure_ascii=False))
    elif versions:
        _print_table(project.number, versions)
    else:
        say(f"Project {project.number} has no trained version yet")
    if problem and not args.json:
        say(problem)
    return int(args.verify and any(entry.state == "damaged" for entry in versions))


def _code_notes(versions: list[Entry]) -> list[str]:
    """Return a line for each code other than the folder's that trained versions, with these versions."""
    by_code: dict[str, list[Entry]] = {}
    for entry in versions:
        if entry.code_differs:
            by_code.setdefault(entry.code, []).append(entry)
    return [
        f"Code {code} trained {', '.join(entry.name for entry in group)} (the first {moment(group[-1].created)}); "
        f"the folder has other code, different: {', '.join(group[0].code_differs)}"
        for code, group in by_code.items()
    ]


def _print_table(project: str, versions: list[Entry]) -> None:
    say(f"Project {project}")
    print_table(_COLUMNS, [_row(entry) for entry in versions])
    for note in _code_notes(versions):
        say(note)


def _row(entry: Entry) -> Row:
    annotations = "" if entry.annotations is None else f"{entry.annotations:,}"
    metrics = metrics_text(entry.metrics)
    state = "served, pinned" if entry.pinned and entry.state == "served" else entry.state
    numbers = (
        "" if entry.annotations is None else plural(entry.annotations, "annotation"),
        entry.parent and f"parent {entry.parent}",
        size(entry.size),
    )
    return Row(
        (
            entry.name,
            moment(entry.created),
            annotations,
            metrics,
            entry.parent,
            size(entry.size),
            f"{state}: {entry.note}" if entry.note else state,
        ),
        {"served": "green", "damaged": "red", "failed to load": "red"}.get(entry.state, ""),
        details=(", ".join(text for text in numbers if text), metrics),
    )
