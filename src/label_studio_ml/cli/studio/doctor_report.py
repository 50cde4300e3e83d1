"""Output of `doctor`: a table for people, JSON for programs."""

import json
from collections.abc import Iterable
from dataclasses import asdict

from label_studio_ml.cli.shared.tables import Column, Row, print_table
from label_studio_ml.cli.streams import cursor_restored, explanation, make_console, say
from label_studio_ml.doctor.check import Check, Status

_COLOURS = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "red", Status.SKIP: "bright_black"}


def as_json(checks: Iterable[Check]) -> str:
    """Return the results as JSON: a list of objects with `name`, `status`, `what`, `fix`, and maybe `code`."""
    results = [asdict(check) for check in checks]
    return json.dumps(
        [{name: value for name, value in result.items() if name != "code" or value} for result in results],
        indent=2,
        ensure_ascii=False,
    )


def _notes(check: Check) -> list[str]:
    """Return the lines below a check: what to do, and how to read more about its error."""
    more = explanation(check.code) if check.code else ""
    return [f"→ {text}" for text in (check.fix, more) if text]


def show(results: Iterable[Check]) -> list[Check]:
    """Consume the results, showing a status line meanwhile; then print them as a table, and return them."""
    console = make_console()
    with cursor_restored(console), console.status("Checking"):
        checks = list(results)
    print_table(
        (Column(state=True), Column(), Column()),
        [
            Row(
                (check.status, check.name, check.what),
                _COLOURS[check.status],
                notes=_notes(check),
            )
            for check in checks
        ],
    )
    counts = {status: sum(check.status is status for check in checks) for status in Status}
    say(", ".join(f"{count} {status}" for status, count in counts.items() if count))
    return checks
