"""How the end of a process is described."""

import signal
import subprocess
import sys

import pytest

from label_studio_ml.processes.exit_status import describe_exit, signal_name


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (None, "closed its connection"),
        (0, "ended with status 0"),
        (3, "ended with status 3"),
        (-signal.SIGSEGV, "was killed by SIGSEGV"),
        (-signal.SIGKILL, "was killed by SIGKILL (out of memory?)"),
        (-35, "was killed by signal 35"),
        (-200, "was killed by signal 200"),
    ],
)
def test_each_status_is_described(status: int | None, text: str) -> None:
    assert describe_exit(status) == text


@pytest.mark.skipif(not hasattr(signal, "SIGRTMIN"), reason="this system has no real-time signals")
def test_a_process_that_a_real_time_signal_killed() -> None:
    number = signal.SIGRTMIN + 1
    done = subprocess.run(
        [sys.executable, "-c", f"import os; os.kill(os.getpid(), {int(number)})"], check=False, timeout=60
    )
    assert describe_exit(done.returncode) == f"was killed by signal {int(number)}"
    assert signal_name(number) == f"signal {int(number)}"
