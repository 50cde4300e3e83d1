"""Tables on standard output, in the same form for every command.

On a terminal, the state is coloured, and a table that is too wide has some of its columns as indented lines below each
row. In a pipe or file, each row is one line of any length, without colours. No text is truncated.
"""

import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from label_studio_ml.cli.streams import make_console
from label_studio_ml.support.texts import visible

if TYPE_CHECKING:
    from rich.text import Text

_GAP = "  "
#: Characters that the last column needs, if it has that many, for all columns to be shown side by side.
_LAST_COLUMN = 40


@dataclass(frozen=True, slots=True)
class Column:
    """A column. Numbers are aligned `right`; a `wide` one is left out of a table that is too wide for the terminal.

    The colours of the rows are for the `state` column. The last column that is shown wraps on a terminal.
    """

    heading: str = ""
    right: bool = False
    wide: bool = False
    state: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row. `details` are the lines that stand for the wide columns, `notes` lines below the row's last cell."""

    cells: Sequence[str]
    colour: str = ""
    details: Sequence[str] = ()
    notes: Sequence[str] = ()


def print_table(columns: Sequence[Column], rows: Sequence[Row]) -> None:
    """Print the rows below the columns' headings on standard output, in the form for a terminal or for a pipe."""
    console = make_console()
    for line in table_lines(
        columns, rows, shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    ):
        console.print(line, soft_wrap=True)


def table_lines(columns: Sequence[Column], rows: Sequence[Row], width: int | None) -> "list[Text]":
    """Return the lines of a table for a terminal of `width` characters; None stands for a pipe or file."""
    from rich.cells import cell_len
    from rich.text import Text

    headings = [one_line(column.heading) for column in columns]
    table = [[one_line(cell) for cell in row.cells] for row in rows]
    widths = [max(map(cell_len, cells)) for cells in zip(headings, *table, strict=True)]
    shown = list(range(len(columns)))
    narrow = width is not None and sum(widths) + len(_GAP) * len(shown[1:]) > width
    if narrow and width is not None and width - _indent(widths, shown) < min(_LAST_COLUMN, widths[-1]):
        shown = [index for index in shown if not columns[index].wide]
    indent = _indent(widths, shown)
    lines = []
    if any(headings):
        cells = _aligned(headings, columns, widths, shown)
        lines.append(Text(_GAP.join(cells).rstrip(), style="bold"))
    for row, texts in zip(rows, table, strict=True):
        cells = _aligned(texts, columns, widths, shown)
        first, *more = _wrapped(cells[-1], width and width - indent) or [""]
        line = Text()
        for index, cell in zip(shown, [*cells[:-1], first], strict=True):
            line.append(_GAP if line else "").append(cell, row.colour if columns[index].state else "")
        line.rstrip()
        lines += [line, *(Text(" " * indent + text) for text in more)]
        for note in row.notes:
            note_lines = _wrapped(one_line(note), width and width - indent)
            lines += [Text(" " * indent).append(text, "cyan") for text in note_lines]
        if len(shown) < len(columns):
            details = [
                text for detail in row.details for text in _wrapped(one_line(detail), width and width - 2)
            ]
            lines += [Text(_GAP + text) for text in details]
    return lines


def one_line(text: str) -> str:
    """Return `text` as one line without characters that a terminal would act on."""
    return visible(" ".join(text.split()))


def _indent(widths: list[int], shown: list[int]) -> int:
    """Return at which character the last shown column begins."""
    return sum(widths[index] + len(_GAP) for index in shown[:-1])


def _aligned(
    texts: Sequence[str], columns: Sequence[Column], widths: list[int], shown: list[int]
) -> list[str]:
    """Return the shown cells of a row, filled up with blanks; the last one only if it is aligned right."""
    from rich.cells import cell_len

    cells = []
    for index in shown:
        blanks = " " * (widths[index] - cell_len(texts[index]))
        if columns[index].right:
            cells.append(blanks + texts[index])
        else:
            cells.append(texts[index] if index == shown[-1] else texts[index] + blanks)
    return cells


def _wrapped(text: str, width: int | None) -> list[str]:
    """Return `text` in lines of `width` characters, broken at blanks only; in one line if `width` is None."""
    if width is None or not text.strip():
        return [text] if text else []
    return textwrap.wrap(
        text, max(width, 20), drop_whitespace=True, break_long_words=False, break_on_hyphens=False
    )
