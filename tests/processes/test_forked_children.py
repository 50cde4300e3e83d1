"""Children forked in user code, and how they end."""

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Any

import pytest

from label_studio_ml.model_calls.coroutines import finish
from label_studio_ml.processes.forked_children import UserCode


def raises(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("leave", "status", "said"),
    [
        (lambda: None, 0, ""),
        (lambda: sys.exit(), 0, ""),
        (lambda: sys.exit(3), 3, ""),
        (lambda: sys.exit("no weights"), 1, "no weights\n"),
        (lambda: raises(ValueError("wrong")), 1, "ValueError: wrong\n"),
        (lambda: raises(KeyboardInterrupt()), 1, "KeyboardInterrupt\n"),
    ],
)
def test_a_child_ends_as_a_script_would(
    leave: Callable[[], Any], status: int, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    child = 0
    try:
        with UserCode():
            child = os.fork()
            if child == 0:
                leave()
    finally:
        if child == 0:  # it came out
            os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == status
    printed = capfd.readouterr().err
    assert printed.endswith(said)
    assert bool(printed) == bool(said)


def test_in_the_parent_nothing_changes() -> None:
    with pytest.raises(SystemExit, match="mine"), UserCode():
        sys.exit("mine")


def test_a_child_of_a_coroutine_ends_with_it() -> None:
    async def forks() -> int:
        child = os.fork()
        if child == 0:
            sys.exit(5)
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        return os.waitstatus_to_exitcode(status)

    assert finish(forks()) == 5
