"""Output of `conformance`: a table for people, JSON for programs."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from label_studio_ml.cli.shared.tables import Column, Row, print_table
from label_studio_ml.cli.streams import cursor_restored, make_console, say
from label_studio_ml.conformance.outcome import Finding, Outcome
from label_studio_ml.support.texts import plural

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red", "skip": "bright_black"}


def as_json(outcomes: Iterable[Outcome]) -> str:
    """Return the outcomes as JSON: a list of objects with `name`, `status`, `summary` and `findings`."""
    entries = [
        {
            "name": outcome.name,
            "status": outcome.status,
            "summary": "" if outcome.findings else outcome.summary,
            "findings": [asdict(finding) for finding in outcome.findings],
        }
        for outcome in outcomes
    ]
    return json.dumps(entries, indent=2, ensure_ascii=False)


def show(results: Iterable[Outcome]) -> list[Outcome]:
    """Consume the outcomes, showing a status line meanwhile; then print them as a table, and return them."""
    console = make_console()
    with cursor_restored(console), console.status("Calling the backend as Label Studio does"):
        outcomes = list(results)
    print_table((Column(state=True), Column(), Column()), list(_rows(outcomes)))
    counts = Counter(outcome.status for outcome in outcomes)
    say(", ".join(f"{counts[status]} {status}" for status in _COLOURS if counts[status]))
    if findings := sum(len(outcome.findings) for outcome in outcomes):
        say(
            f"{plural(findings, 'finding')}: what Label Studio does then stands behind each ⇒, what to change behind →"
        )
    return outcomes


def _rows(outcomes: Iterable[Outcome]) -> Iterator[Row]:
    """Yield a row for each finding, and one for the summary of an outcome without any.

    What was said of an earlier finding with the same effect and fix is not repeated.
    """
    explained: dict[tuple[str, str], str] = {}
    for outcome in outcomes:
        if not outcome.findings:
            yield Row((outcome.status, outcome.name, outcome.summary), _COLOURS[outcome.status])
        for finding in outcome.findings:
            earlier = explained.setdefault((finding.effect, finding.fix), outcome.name)
            yield _row(outcome.name, finding, earlier)


def _row(name: str, finding: Finding, earlier: str) -> Row:
    """Return the row of a finding of the check `name`, which refers to the check `earlier` if that is another one."""
    notes = [f"expected: {finding.expected}", f"⇒ {finding.effect}", f"→ {finding.fix}"]
    return Row(
        (finding.severity, name, f"{finding.call}: {finding.received}"),
        _COLOURS[finding.severity],
        notes=notes if earlier == name else [f"see {earlier}"],
    )
