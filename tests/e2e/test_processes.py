"""The check that nothing outlives its test would be worth nothing if it saw nothing."""

import signal
import sys
from pathlib import Path

from .backend import clean_environment
from .processes import Program, wait_until

LEAVES_A_CHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env={}, start_new_session=True)
print(child.pid, flush=True)
time.sleep(600)
"""

HAS_A_MARKED_GRANDCHILD = """
import subprocess, sys
script = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid)"
subprocess.run([sys.executable, "-c", script])
"""


def start(script: str, folder: Path) -> tuple[Program, int]:
    program = Program([sys.executable, "-c", script], cwd=folder, env=clean_environment(), log=folder / "log")
    return program, int(wait_until(program.output, "its child has started"))


def test_a_child_with_another_session_and_environment_is_found(tmp_path: Path) -> None:
    program, child = start(LEAVES_A_CHILD, tmp_path)
    assert program.stop(with_signal=signal.SIGKILL, children=1.0) == [child]
    assert program.descendants() == []


def test_an_orphan_that_was_never_seen_is_found_by_its_mark(tmp_path: Path) -> None:
    program, orphan = start(HAS_A_MARKED_GRANDCHILD, tmp_path)
    wait_until(lambda: not program.running, "the program has ended")
    assert program.stop(children=1.0) == [orphan]


def test_kill_ends_all_of_it(tmp_path: Path) -> None:
    program, _ = start(LEAVES_A_CHILD, tmp_path)
    program.kill()
    assert program.descendants() == []
