"""The guard of a process that runs user code, and what else waits for descriptors, in a server with many open files."""

import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.processes.child_answer import child_answer
from label_studio_ml.training.records.run_log import RunLog, Scrubber

#: Has itself guarded on the first argument, as a process with the limit that most systems give. Its guard is to have
#: no copy of the second one: closes it, and ends when its standard input does.
GUARDED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
from label_studio_ml.processes.guard import fork_guarded
fork_guarded(int(sys.argv[1]), 0)
os.close(int(sys.argv[2]))
sys.stdin.read()
sys.exit(7)
"""


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let the next descriptors of this process be above 1,100."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2048:
        pytest.skip("this system does not let a process open that many files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        yield
    finally:
        for number in held:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
def test_a_guard_whose_descriptors_have_high_numbers() -> None:
    (ours, theirs), (kept, gone) = socket.socketpair(), socket.socketpair()
    passed = [theirs.fileno(), gone.fileno()]
    assert min(passed) > 1023
    process = subprocess.Popen(
        [sys.executable, "-c", GUARDED, *map(str, passed)],
        pass_fds=passed,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with ours, kept:
        theirs.close()
        gone.close()
        ours.settimeout(60)
        kept.settimeout(60)
        try:
            told = ours.recv(100)
            assert told.strip().isdigit(), process.communicate()[1].decode()[-500:]
            assert kept.recv(1) == b""  # neither the guard nor its run has it
            assert process.poll() is None
            process.communicate(timeout=60)
            assert process.returncode == 7
        finally:
            process.kill()
            process.communicate()


@pytest.mark.usefixtures("many_files")
def test_an_answer_of_a_child_comes_on_a_descriptor_with_a_high_number(tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text(
        "from label_studio_ml.model import LabelStudioMLBase\nclass Mine(LabelStudioMLBase): pass\n"
    )
    answer, status = child_answer(
        Settings(backend_dir=tmp_path), "label_studio_ml.model_calls.class_import_child", path, timeout=120
    )
    assert (b'"Mine"' in answer, status) == (True, 0)


@pytest.mark.usefixtures("many_files")
def test_a_log_of_a_run_is_read_from_a_descriptor_with_a_high_number(tmp_path: Path) -> None:
    with RunLog(tmp_path / "run.log", Scrubber([])) as log:
        assert log.writer > 1023
        os.write(log.writer, b"said\n")
    assert (tmp_path / "run.log").read_bytes() == b"said\n"
