"""The clock of a process leaves out waits for processors that other programs have, and no other ones."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from label_studio_ml.test_kit import child_runner
from label_studio_ml.test_kit.calls.own_time import OwnTime
from label_studio_ml.test_kit.check_catalogue import CHECKS
from label_studio_ml.test_kit.child_runner import Limits
from label_studio_ml.test_kit.class_check import CheckOptions

from .reports import MODELS, report_on

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's counters are Linux's")


class FakeKernel:
    """The files in /proc of this process, with threads and times of our choice; `now` is the time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processors = sorted(os.sched_getaffinity(0))
        self.now = 100.0

    def write(self, worked: float, **threads: tuple[float, float]) -> None:
        """Set the work of each processor, and for each thread how long it ran and waited, in seconds."""
        ticks = round(worked * os.sysconf("SC_CLK_TCK"))
        lines = [f"cpu{number} {ticks} 0 0 7 0 0 0 0 0 0" for number in self._processors]
        (self._folder / "stat").write_text("\n".join(["cpu 1 2 3 4 5", *lines, "ctxt 9", "cpu99999 9 9"]))
        for name, (ran, waited) in threads.items():
            task = self._folder / str(os.getpid()) / "task" / name.removeprefix("t")
            task.mkdir(parents=True, exist_ok=True)
            (task / "schedstat").write_text(f"{round(ran * 1e9)} {round(waited * 1e9)} 5\n")

    def own_time(self) -> OwnTime:
        return OwnTime(os.getpid(), self._folder, lambda: self.now)

    @property
    def processors(self) -> int:
        return len(self._processors)


@pytest.fixture
def kernel(tmp_path: Path) -> FakeKernel:
    made = FakeKernel(tmp_path)
    made.write(10, t1=(1, 1), t2=(2, 2))
    return made


def test_waits_for_other_programs_do_not_count(kernel: FakeKernel) -> None:
    clock = kernel.own_time()
    begun = clock()
    kernel.now += 10
    kernel.write(
        20, t1=(3, 9), t2=(2, 2)
    )  # a thread waited for 8 of 10 s, in which all processors were at work
    assert clock() - begun == pytest.approx(2)
    kernel.now += 5
    assert clock() - begun == pytest.approx(7)


def test_threads_that_wait_for_each_other_count(kernel: FakeKernel) -> None:
    clock = kernel.own_time()
    begun = clock()
    kernel.now += 10
    ran = 10 * kernel.processors / 2
    kernel.write(20, t1=(1 + ran, 6), t2=(2 + ran, 7))
    assert clock() - begun == pytest.approx(10)


def test_waits_for_something_else_count(kernel: FakeKernel) -> None:
    clock = kernel.own_time()
    begun = clock()
    kernel.now += 10
    kernel.write(20, t1=(1.1, 1), t2=(2, 2))  # others were at work, but the process did not want to run
    assert clock() - begun == pytest.approx(10)


def test_a_process_that_has_ended_or_is_not_counted_has_all_its_time(
    kernel: FakeKernel, tmp_path: Path
) -> None:
    clock, elsewhere = kernel.own_time(), OwnTime(os.getpid(), tmp_path / "none", lambda: kernel.now)
    begun, begun_elsewhere = clock(), elsewhere()
    kernel.now += 10
    (tmp_path / "stat").unlink()
    assert clock() - begun == elsewhere() - begun_elsewhere == 10


@pytest.fixture
def busy_process() -> Iterator[int]:
    """Two processes that are always busy, on one processor; return one of them."""
    processor = min(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, [{processor}])\nwhile True: pass"
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    yield processes[0].pid
    for process in processes:
        process.kill()
        process.wait()


def test_the_kernel_counts_as_documented(busy_process: int) -> None:
    if not Path(f"/proc/{busy_process}/schedstat").exists():
        pytest.skip("this kernel keeps no statistics of its scheduler")
    clock = OwnTime(busy_process)
    begun, own_begun = time.monotonic(), clock()
    while (time.monotonic() - begun) - (clock() - own_begun) < 0.2:
        assert time.monotonic() - begun < 60, (
            "no wait is counted, and the process has half a processor at most"
        )
        time.sleep(0.05)


def test_limits_of_calls_are_in_time_of_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_runner, "OwnTime", lambda pid: lambda: time.monotonic() / 1000)
    code = (MODELS / "text_model.py").read_text()
    (tmp_path / "model.py").write_text(f"import time\n{code}\ntime.sleep(0.6)\n")
    skipped = {check: "not of this test" for check in CHECKS if check != "import"}
    report = report_on(tmp_path, CheckOptions(limits=Limits(start=0.5), skipped=skipped, quick=True))
    assert not report.failures, str(report)
