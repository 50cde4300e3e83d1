"""The progress of long commands: a bar on a terminal, lines elsewhere."""

import io
import re
from typing import Any

import pytest

from label_studio_ml.cli.shared import progress_display as display_module
from label_studio_ml.cli.shared.progress_display import ProgressState, progress_display, run_state
from label_studio_ml.projects.pipeline import Progress

HALF = ProgressState("training", 0.5, "50%", "epoch 5, loss 0.2")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def text(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.getvalue())


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(display_module, "time", clock)
    return clock


@pytest.mark.parametrize("at_once", [False, True])
def test_a_pipe_gets_a_line_every_few_seconds(clock: Clock, at_once: bool) -> None:
    output = io.StringIO()
    with progress_display(output, at_once=at_once) as display:
        display.show(ProgressState("queued"))
        display.show(HALF)
        display.log("a line\x1b[2J")
        clock.now += 9
        display.show(ProgressState("training", 0.6, "60%"))
        clock.now += 2
        display.show(HALF)
        clock.now += 20
        display.show(HALF)
    first = "training: 50%, epoch 5, loss 0.2"
    assert output.getvalue().splitlines() == ([first] if at_once else []) + [
        r"a line\x1b[2J",
        *([] if at_once else [first]),
    ]


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    with progress_display(terminal) as display:
        display.log("a \x1b[31mred\x1b[0m line")
        display.log("clears\x1b]0;title\x07 the screen")
        display.show(ProgressState("[b]\x1b[2J", 0.25, "25%", "\x07"))
    text = terminal.text()
    assert "a red line" in text
    assert "\x07" not in text
    assert re.search(r"\[b\]\\x1b\[2J +━+.* 25% 0:00:0\d \\x07", text)


def test_a_long_note_leaves_the_rest_of_the_bar_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    with progress_display(terminal) as display:
        display.show(ProgressState("Project 7", 0.5, "1,240 of 5,000 tasks", "loss 0.2 " * 20))
    *_, last = (line for line in re.split(r"[\r\n]+", terminal.text()) if "Project" in line)
    assert re.search(r"Project 7 ━.* 1,240 of 5,000 tasks 0:00:0\d loss 0.2 loss", last)
    assert len(last) <= 80


class AfterTenSeconds(Progress):
    @property
    def seconds(self) -> float:
        return 10.0


def states(**fields: Any) -> str:
    state = run_state(AfterTenSeconds(**fields), "Project 7")
    assert state.title == "Project 7"
    return f"{state.amount}; {state.note}; {state.share}"


def test_the_state_of_a_prediction_run() -> None:
    assert states() == "0 tasks; 0.0/s; None"
    assert states(written=1) == "1 task; 0.1/s; None"
    assert states(total=0) == "0 of 0 tasks; 0.0/s; None"
    assert states(total=2, written=2) == "2 of 2 tasks; 0.2/s; 1.0", "no time is left"
    assert states(total=2000, written=999, failed=1) == (
        "1,000 of 2,000 tasks; 100.0/s, 0:00:10 left, 1 failed; 0.5"
    )
