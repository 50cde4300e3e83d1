"""Consoles: no width, a closed pipe, and the cursor after Ctrl-C."""

import io

import pytest
from rich.live import Live

from label_studio_ml.cli.shared.tables import Column, Row, print_table
from label_studio_ml.cli.streams import cursor_restored, make_console


@pytest.mark.parametrize("columns", ["0", "1", "-1", "many"])
def test_a_table_is_printed_whatever_columns_says(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("LINES", "0")
    print_table((Column("NAME"), Column("WHY")), [Row(("one", "a long reason, with many words in it"))])
    assert "a long reason, with many words in it" in capsys.readouterr().out


def test_a_closed_pipe_is_left_to_main() -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        make_console(Closed()).print("text")


def test_the_cursor_is_shown_after_an_interrupted_clean_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def interrupted(live: Live) -> None:
        raise KeyboardInterrupt

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stop = Live.stop
    monkeypatch.setattr(Live, "stop", interrupted)
    terminal = Terminal()
    console = make_console(terminal)
    status = console.status("Checking")
    with pytest.raises(KeyboardInterrupt), cursor_restored(console), status:
        pass
    printed = terminal.getvalue()
    stop(status._live)
    assert printed.rindex("\x1b[?25h") > printed.index("\x1b[?25l")
