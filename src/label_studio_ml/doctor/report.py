"""Output of the check results: a table for people, JSON for programs."""

import json
from collections.abc import Iterable
from dataclasses import asdict

from label_studio_ml.doctor.check import Check, Status
from label_studio_ml.support.texts import visible

_COLOURS = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "red", Status.SKIP: "bright_black"}


def as_json(found: Iterable[Check]) -> str:
    """Return the results as JSON: a list of objects with `name`, `status`, `what` and `fix`."""
    return json.dumps([asdict(check) for check in found], indent=2, ensure_ascii=False)


def show(found: Iterable[Check]) -> list[Check]:
    """Consume the results, showing a status line meanwhile; then print them as a table, and return them."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    table = Table(box=None, padding=(0, 1), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    checks = []
    with console.status("Looking at the first link"):
        for check in found:
            checks.append(check)
            status = Text(check.status, style=_COLOURS[check.status])
            table.add_row(status, Text(visible(check.name)), Text(visible(check.what)))
            if check.fix:
                table.add_row("", "", Text(f"→ {visible(check.fix)}", style="cyan"))
    console.print(table)
    counts = {status: sum(check.status is status for check in checks) for status in Status}
    console.print(", ".join(f"{count} {status}" for status, count in counts.items() if count))
    return checks
