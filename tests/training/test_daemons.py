"""What a fit starts in sessions of their own ends with it, whatever was killed and how."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from itertools import product

import pytest

from e2e.processes import wait_until
from label_studio_ml.processes.process_table import find
from live import TRAINING, WORKER, FakeStudio, Live, alive, created, make_live

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere guards cannot do it")

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, studio: FakeStudio) -> Iterator[Live]:
    live = make_live(
        tmp_path_factory.mktemp("daemons") / "backend",
        studio,
        "seed_model",
        env={"LABEL_STUDIO_ML_LEASE": "3"},
    )
    live.backend.start()
    yield live
    assert not live.backend.stop()


def _run_and_guard(live: Live) -> tuple[int, int]:
    """Return the training run's process id and its guard's."""
    pids = [pid for pid in live.processes(TRAINING) if alive(pid)]
    parents = {pid: found.parent for pid in pids if (found := find(pid)) is not None}
    return next((pid, parent) for pid, parent in parents.items() if parent in parents)


def _in_fit(live: Live, project: int) -> list[int]:
    """Have a fit of the project start daemons and wait; return their process ids. The next fit just trains."""
    live.studio.add(project, 1)
    live.setup(project)
    control = live.control(project)
    control.do(f"daemons:{project}")
    live.send(created(project, 1))
    wait_until(lambda: control.fits("daemons"), "the daemons are started")
    control.do("ok")
    started: list[int] = control.fits("daemons")[-1]["started"]
    assert all(map(alive, started)), started
    return started


def _gone(started: list[int]) -> bool:
    return not any(map(alive, started))


Victims = Callable[[Live], list[int]]

VICTIMS: dict[str, Victims] = {
    "run": lambda live: [_run_and_guard(live)[0]],
    "guard": lambda live: [_run_and_guard(live)[1]],
    "worker": lambda live: [live.one(WORKER)],
}


#: `make soak` sends these too: the others show what each process does with a signal that it gets and with SIGKILL.
LONG = (("run", signal.SIGTERM), ("guard", signal.SIGINT), ("worker", signal.SIGINT))


@pytest.mark.parametrize(
    ("who", "number"),
    [
        pytest.param(who, number, marks=pytest.mark.soak if (who, number) in LONG else ())
        for who, number in product(VICTIMS, SIGNALS)
    ],
)
def test_a_signal_to_one_process(who: str, number: signal.Signals, live: Live) -> None:
    project = 10 + list(VICTIMS).index(who) * len(SIGNALS) + SIGNALS.index(number)
    started = _in_fit(live, project)
    for pid in VICTIMS[who](live):
        os.kill(pid, number)
    if who == "guard" and number != signal.SIGKILL:  # it goes on, and so does the run
        until = time.monotonic() + 1
        wait_until(lambda: time.monotonic() > until or _gone(started), "nothing ends")
        assert all(map(alive, started))
        os.kill(_run_and_guard(live)[0], signal.SIGKILL)
    wait_until(lambda: _gone(started), "the daemons are gone", 60)
    if (who, number) == ("run", signal.SIGINT):  # fit raises KeyboardInterrupt: that is an outcome
        wait_until(
            lambda: "KeyboardInterrupt" in live.job(live.jobs[project][0]).get("error", ""), "it failed"
        )
        return
    wait_until(lambda: live.control(project).fits("end"), "the events are trained on")


def test_guard_and_worker_are_killed_in_one_moment(live: Live) -> None:
    """What has another environment than the fit cannot be found any more then: the first and the third can."""
    started = _in_fit(live, 30)
    for pid in (live.one(WORKER), _run_and_guard(live)[1]):
        os.kill(pid, signal.SIGKILL)
    try:
        wait_until(lambda: _gone([started[0], started[2]]), "the daemons are gone", 60)
    finally:
        if alive(started[1]):
            os.kill(started[1], signal.SIGKILL)
    wait_until(lambda: live.control(30).fits("end"), "the events are trained on")


def test_all_is_killed_in_one_moment_and_the_next_server_ends_them(live: Live) -> None:
    started = _in_fit(live, 31)
    program = live.backend.program
    assert program is not None
    for pid in (program.process.pid, live.one(WORKER), _run_and_guard(live)[1]):
        os.kill(pid, signal.SIGKILL)
    program.process.wait()
    os.kill(started[1], signal.SIGKILL)
    live.backend.start()
    wait_until(lambda: _gone(started), "the daemons are gone", 60)
    wait_until(lambda: live.control(31).fits("end"), "the events are trained on")
