"""Tables: on a wide and a narrow terminal, and in a pipe."""

import sys

import pytest

from label_studio_ml.cli.shared.tables import Column, Row, print_table, table_lines

COLUMNS = (
    Column("NAME"),
    Column("SIZE", right=True, wide=True),
    Column("STATE", state=True),
    Column("WHY", wide=True),
)
ROWS = (
    Row(
        ("a", "1,200", "failed", "it has\nno x " * 12),
        "red",
        details=("1,200 bytes", "it has no x"),
        notes=("do this",),
    ),
    Row(("東京", "3", "ready", ""), "green", details=("3 bytes", "")),
)


def plain(width: int | None) -> list[str]:
    return [line.plain for line in table_lines(COLUMNS, ROWS, width)]


def test_a_pipe_gets_each_row_in_one_line() -> None:
    head, first, note, second = plain(None)
    assert head == "NAME   SIZE  STATE   WHY"
    assert first == f"a     1,200  failed  {'it has no x ' * 12}".rstrip()
    assert note == "                     do this"
    assert second == "東京      3  ready", "wide characters take two columns, and no blanks follow"


def test_a_wide_terminal_wraps_the_last_column() -> None:
    head, first, more, *_ = plain(100)
    assert head == "NAME   SIZE  STATE   WHY"
    assert first.startswith("a     1,200  failed  it has no x it has")
    assert more.startswith("                     no x it has")
    assert max(map(len, plain(100))) <= 100


def test_a_narrow_terminal_gets_the_wide_columns_below_each_row() -> None:
    assert plain(40) == [
        "NAME  STATE",
        "a     failed",
        "      do this",
        "  1,200 bytes",
        "  it has no x",
        "東京  ready",
        "  3 bytes",
    ]


def test_a_table_without_headings_has_no_line_for_them() -> None:
    rows = [Row(("ok", "fine"))]
    assert [line.plain for line in table_lines((Column(), Column()), rows, None)] == ["ok  fine"]


@pytest.mark.parametrize("width", [40, 100, None])
def test_what_a_terminal_would_act_on_is_an_escape(width: int | None) -> None:
    row = Row(("\x1b[2J", "[bold]", "\x07", "\x9b"), details=("\x1b",), notes=("\u202e",))
    printed = "".join(line.plain for line in table_lines(COLUMNS, [row], width))
    assert r"\x1b[2J" in printed
    assert printed.isprintable()


@pytest.mark.parametrize("terminal", [False, True])
def test_only_terminals_get_colours(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("TERM", "xterm"), ("COLUMNS", "40"), ("LINES", "20")):
        monkeypatch.setenv(name, value)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    print_table(COLUMNS, ROWS)
    printed = capsys.readouterr().out
    assert ("\x1b[31mfailed" in printed) == terminal
    assert ("no x it has" in printed) == (not terminal)
