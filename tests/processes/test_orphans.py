"""What user code started and whose guard is gone."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

from e2e.processes import wait_until
from label_studio_ml.processes import orphans
from label_studio_ml.processes.orphans import GuardedProcess, kill_orphans
from label_studio_ml.processes.process_table import descendants, find
from live import alive

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists the processes")

#: Starts a process in a session of its own, says its id, and waits.
PARENT = """
import subprocess, time
print(subprocess.Popen(["sleep", "600"], start_new_session=True, stdout=subprocess.DEVNULL).pid, flush=True)
time.sleep(600)
"""


def _started(guarded: GuardedProcess) -> int:
    assert guarded.popen.stdout is not None
    with guarded.popen.stdout as lines:
        return int(lines.readline())


def _guarded() -> GuardedProcess:
    return GuardedProcess(
        [sys.executable, "-c", PARENT], env=dict(os.environ), stdout=subprocess.PIPE, start_new_session=True
    )


def test_what_has_the_mark_ends_after_its_guard_was_killed() -> None:
    one, other = _guarded(), _guarded()
    mine, others = _started(one), _started(other)
    try:
        kill_orphans()  # their starter is here
        assert alive(mine)
        one.popen.kill()
        one.popen.wait()
        one.ended()
        wait_until(lambda: not alive(mine), "it is gone")
        assert alive(others)
    finally:
        other.popen.kill()
        other.popen.wait()
        other.ended()
    wait_until(lambda: not alive(others), "it is gone")


def test_what_a_killed_starter_left_behind_ends_later() -> None:
    code = f"""
import os, signal, subprocess, sys
from label_studio_ml.processes.orphans import GuardedProcess
guarded = GuardedProcess([sys.executable, "-c", {PARENT!r}], env=dict(os.environ), start_new_session=True)
sys.stdin.read(1)
os.kill(guarded.popen.pid, signal.SIGKILL)
os.kill(os.getpid(), signal.SIGKILL)
"""
    starter = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert starter.stdin is not None
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    kill_orphans()
    assert alive(pid)
    starter.stdin.write(b"x")
    starter.stdin.close()
    starter.wait(60)
    starter.stdout.close()
    assert alive(pid)
    kill_orphans()
    wait_until(lambda: not alive(pid), "it is gone")


def test_a_process_that_takes_over_orphans_ends_those_and_not_its_own() -> None:
    """Marks or not: what was adopted is in no session of ours and was not started by us."""
    code = """
import os, subprocess, sys
from label_studio_ml.processes import orphans
from label_studio_ml.processes.process_table import find
orphans.adopt_orphans()
bare = "import os, subprocess; print(subprocess.Popen(['sleep', '600'], start_new_session=True, env={}).pid)"
def guarded(code):
    return orphans.GuardedProcess([sys.executable, "-c", code], env=dict(os.environ), stdout=subprocess.PIPE,
                          start_new_session=True)
other = guarded("import time; time.sleep(600)")
waited_for = subprocess.Popen(["sleep", "600"])
ended = guarded(bare.replace("env={}", "env={}, stdout=subprocess.DEVNULL"))
pid = int(ended.popen.stdout.read())
ended.popen.wait()
assert find(pid).parent == os.getpid()
ended.ended()
assert find(pid) is None
assert other.popen.poll() is None
assert waited_for.poll() is None
other.popen.kill()
waited_for.kill()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_marks_of_others_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    env = {**os.environ, "LABEL_STUDIO_ML_STARTED_BY": "what others:write:here 1:2"}
    process = subprocess.Popen(["sleep", "600"], env=env)
    try:
        kill_orphans()
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert orphans._adopting is False


def test_the_mark_of_a_starter_that_runs_is_left_alone_and_that_of_an_earlier_process_is_not() -> None:
    """A process id alone names nobody: the start of its process belongs to it."""
    me = find(os.getpid())
    assert me is not None
    kept, gone = (
        subprocess.Popen(["sleep", "600"], env={**os.environ, orphans._MARK: f"{me.pid}:{started}:number"})
        for started in (me.started, me.started - 1)
    )
    try:
        wait_until(lambda: all(_marked(process.pid) for process in (kept, gone)), "both run")
        kill_orphans()
        wait_until(lambda: not alive(gone.pid), "that of an earlier process is ended")
        assert kept.poll() is None
    finally:
        for process in (kept, gone):
            process.kill()
            process.wait()


def test_the_mark_of_a_process_in_another_container_is_left_alone() -> None:
    """Its starter is named by an id that means nothing, or another process, here."""
    unshare = ["unshare", "--pid", "--fork", "--kill-child"]
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"], check=False).returncode:
        pytest.skip("no namespace of process ids can be made here")
    mark = f"{orphans._MARK}=4194305:1:number"
    starter = subprocess.Popen([*unshare, "env", mark, "sleep", "600"])
    try:
        (inside,) = wait_until(
            lambda: [one for one in descendants(starter.pid) if _marked(one.pid)], "it runs in its namespace"
        )
        assert not inside.in_our_namespace()
        kill_orphans()
        assert starter.poll() is None
        assert inside.runs()
    finally:
        starter.kill()
        starter.wait()
    wait_until(lambda: not inside.runs(), "it has ended with its starter")


def _marked(pid: int) -> bool:
    found = find(pid)
    return found is not None and found.arguments() == ["sleep", "600"] and bool(orphans._marks(found))
