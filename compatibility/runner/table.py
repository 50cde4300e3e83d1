"""The table: one row for each example, for the terminal and for the documentation."""

import datetime
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

HEADINGS = (
    "example",
    "generation",
    "start",
    "gunicorn",
    "as upstream?",
    "what differs, or why it was not run",
)

BEGIN, END = "<!-- make compat: begin {} -->", "<!-- make compat: end {} -->"


@dataclass
class Row:
    """The outcome for one example. `start` and `gunicorn`: "ok", "no" (it failed) or "-" (it was not run)."""

    example: str
    generation: str
    start: str = "-"
    gunicorn: str = "-"
    same: str = "-"
    notes: list[str] = field(default_factory=list)

    @property
    def cells(self) -> tuple[str, ...]:
        """The row's texts, in the order of HEADINGS."""
        notes = "; ".join(re.sub(r"\s+", " ", note) for note in dict.fromkeys(self.notes))
        return self.example, self.generation, self.start, self.gunicorn, self.same, notes

    @property
    def good(self) -> bool:
        """Whether it runs both ways and answers as the older package."""
        return (self.start, self.gunicorn) == ("ok", "ok") and self.same in ("yes", "-")


def summary(rows: Sequence[Row]) -> str:
    """Return the counts in one sentence."""
    run = [row for row in rows if row.start != "-"]
    started = sum(row.start == "ok" for row in run)
    below_gunicorn = sum(row.gunicorn == "ok" for row in run)
    compared = [row for row in run if row.same != "-"]
    same = sum(row.same == "yes" for row in compared)
    return (
        f"Of {len(rows)} examples {len(run)} were run. {started} run to the end below `start`, {below_gunicorn} "
        f"below gunicorn; {same} of the {len(compared)} that could be compared answer as on the older package."
    )


def as_text(rows: Sequence[Row], width: int = 60) -> str:
    """Return the table for a terminal; the last column is wrapped at `width` characters."""
    cells = [HEADINGS, *(row.cells for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEADINGS) - 1)]
    lines = []
    for row in cells:
        notes = textwrap.wrap(row[-1], width) or [""]
        front = "  ".join(cell.ljust(size) for cell, size in zip(row[:-1], widths, strict=True))
        lines.append(f"{front}  {notes[0]}".rstrip())
        lines += [f"{' ' * len(front)}  {note}" for note in notes[1:]]
    return "\n".join(lines)


def as_markdown(rows: Sequence[Row], caption: str) -> str:
    """Return caption, summary and table."""
    cells = [HEADINGS, tuple("---" for _ in HEADINGS), *(row.cells for row in rows)]
    table = "\n".join(f"| {' | '.join(_escaped(cell) for cell in row)} |" for row in cells)
    return f"{caption}\n{summary(rows)}\n\n{table}\n"


def _escaped(cell: str) -> str:
    return cell.replace("|", r"\|").replace("<", "&lt;")


def caption(commit: str, command: str, *, stand_ins: bool) -> str:
    """Return when and how the table was made."""
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    with_what = (
        "with stand-ins for heavy packages and services"
        if stand_ins
        else "with the examples' own requirements"
    )
    return f"Examples of the older repository ({commit}), run on {today} {with_what}: `{command}`."


def merged(file: Path, name: str, rows: Sequence[Row]) -> list[Row]:
    """Return `rows` together with those of the table called `name` in a Markdown file that are of other examples."""
    text = file.read_text() if file.exists() else ""
    block = text.partition(BEGIN.format(name))[2].partition(END.format(name))[0]
    found = [_row(line) for line in [line for line in block.splitlines() if line.startswith("| ")][2:]]
    fresh = {row.example for row in rows}
    return sorted([*rows, *(row for row in found if row.example not in fresh)], key=lambda row: row.example)


def _row(line: str) -> Row:
    texts = re.split(r" (?<!\\)\|(?: |$)", line.removeprefix("| "))
    cells = [text.replace(r"\|", "|").replace("&lt;", "<") for text in texts]
    example, generation, start, gunicorn, same, notes = cells[: len(HEADINGS)]
    return Row(example, generation, start, gunicorn, same, [notes] if notes else [])


def write_into(file: Path, name: str, content: str) -> None:
    """Replace what stands between the marks called `name` in a Markdown file; append both if they are missing."""
    begin, end = BEGIN.format(name), END.format(name)
    text = file.read_text() if file.exists() else "# Compatibility with the older packages\n"
    block = f"{begin}\n\n{content}\n{end}"
    if begin in text and end in text:
        before, _, rest = text.partition(begin)
        text = before + block + rest.partition(end)[2]
    else:
        text = f"{text.rstrip()}\n\n{block}\n"
    file.write_text(text)
