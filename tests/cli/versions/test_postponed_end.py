"""Signals that end a command, raised in this process."""

import signal

import pytest

from label_studio_ml.cli.end_signals import orderly_end
from label_studio_ml.cli.versions.postponed_end import postponed_end


def _run(*numbers: int, error: Exception | None = None) -> list[str]:
    """Send the signals in a block whose end is postponed, and return what was done in it until it ended."""
    done: list[str] = []
    try:
        with orderly_end(), postponed_end(lambda: done.append("notice")):
            for number in numbers:
                signal.raise_signal(number)
            done.append("block")
            if error is not None:
                raise error
    except (KeyboardInterrupt, SystemExit, ValueError) as ending:
        done.append(type(ending).__name__)
    return done


@pytest.mark.parametrize(
    ("number", "ending"), [(signal.SIGINT, "KeyboardInterrupt"), (signal.SIGTERM, "SystemExit")]
)
def test_the_first_signal_ends_the_command_after_the_block(number: int, ending: str) -> None:
    assert _run(number) == ["notice", "block", ending]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_second_signal_ends_the_command_at_once() -> None:
    assert _run(signal.SIGTERM, signal.SIGINT) == ["notice", "KeyboardInterrupt"]


def test_an_error_of_the_block_is_what_ends_the_command() -> None:
    assert _run(signal.SIGINT, error=ValueError("refused")) == ["notice", "block", "ValueError"]


def test_without_a_signal_the_block_is_as_any_other() -> None:
    assert _run() == ["block"]
