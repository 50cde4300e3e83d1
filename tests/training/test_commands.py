"""`label-studio-ml train`, `jobs` and `cancel` beside a running backend, and without one."""

import json
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.processes import wait_until
from live import FakeStudio, Live, make_live, start_training


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, studio: FakeStudio) -> Iterator[Live]:
    env = {"CANCEL_GRACE": "0.2"}
    live = make_live(tmp_path_factory.mktemp("commands") / "backend", studio, "run_model", env=env)
    studio.add(1, 1, 2)
    live.backend.start()
    live.setup(1)
    yield live
    assert not live.backend.stop()


def _begin(live: Live, what: str) -> str:
    control = live.control(1)
    control.do(what)
    before = len(control.fits("end"))
    job = live.send(start_training(1))
    wait_until(lambda: len(control.fits("end")) > before, f"the fit does {what}", every=0.02)
    return job


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, live: Live, *words: str) -> None:
        ours, theirs = pty.openpty()
        self._ours = ours
        self.shown = ""
        self.process = subprocess.Popen(
            live.command(*words),
            cwd=live.folder.parent,
            env={**live.backend.env, "COLUMNS": "120", "TERM": "xterm"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def shows(self, text: str) -> bool:
        while select.select([self._ours], [], [], 0)[0]:
            try:
                data = os.read(self._ours, 1 << 16)
            except OSError:  # Linux says so when nobody writes any more
                break
            if not data:
                break
            self.shown += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", data.decode(errors="replace"))
        return text in self.shown

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._ours)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    made: list[Terminal] = []
    yield made
    for terminal in made:
        terminal.close()


def test_train_says_how_it_goes_in_lines(live: Live) -> None:
    live.control(1).do("report")
    done = live.run_command("train")
    assert done.returncode == 0, done.stderr
    assert "Started; its log is logs/jobs/" in done.stdout
    assert re.search(r"Finished: version \S+, learned from 2 labelled tasks \(Label Studio\)", done.stdout)


def test_train_that_is_cancelled_ends_with_1(live: Live) -> None:
    live.control(1).do("busy")
    before = len(live.control(1).fits("end"))
    with subprocess.Popen(
        live.command("train"),
        cwd=live.folder.parent,
        env=live.backend.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        job = process.stdout.readline().split()[1].rstrip(":")
        wait_until(lambda: len(live.control(1).fits("end")) > before, "the fit runs", every=0.02)
        done = live.run_command("cancel", job)
        assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "Cancelled: ended by SIGTERM")
        _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "the training was cancelled: ended by SIGTERM" in said
    again = live.run_command("cancel", job)
    assert (again.returncode, again.stderr) == (
        1,
        f"label-studio-ml: Job {job} has ended already: it is cancelled\nMore: label-studio-ml explain LSML-E115\n",
    )
    listed = live.run_command("jobs", "--project", "1").stdout
    assert re.search(rf"{job} +1 +cancelled .*ended by SIGTERM", listed)


def test_an_unknown_job(live: Live) -> None:
    for words in (("cancel", "none"), ("jobs", "--cancel", "none"), ("jobs", "--follow", "none")):
        done = live.run_command(*words)
        assert done.returncode == 1
        listed = f"label-studio-ml jobs {shlex.quote(live.folder.name)}"
        assert f"There is no job none. List them with: {listed}\n" in done.stderr


def test_jobs_as_json(live: Live) -> None:
    job = _begin(live, "report")
    live.wait(job)
    found = json.loads(live.run_command("jobs", "--json").stdout)
    (mine,) = [one for one in found if one["job"] == job]
    assert mine == {**live.job(job), "log": mine["log"]}
    assert mine["metrics"] == {"loss": 0.2, "accuracy": 0.75}, "what fit returned wins over what it logged"


def test_following_a_job_shows_its_log_and_a_bar(live: Live, terminals: list[Terminal]) -> None:
    hold = live.control(1).folder / "hold"
    hold.parent.mkdir(parents=True, exist_ok=True)
    hold.touch()
    job = _begin(live, "report")
    terminal = Terminal(live, "jobs", "--follow", job)
    terminals.append(terminal)
    for text in ("printed by a grandchild", "50%", "step 5, loss 0.2 accuracy 0.5"):
        wait_until(lambda text=text: terminal.shows(text), f"{text} is shown", every=0.05)  # type: ignore[misc]
    hold.unlink()
    wait_until(lambda: terminal.shows("Finished: version"), "the end is shown", every=0.05)
    assert terminal.process.wait(60) == 0


def test_ctrl_c_leaves_the_training_alone(live: Live, terminals: list[Terminal]) -> None:
    live.control(1).do("polite")
    before = len(live.control(1).fits("end"))
    terminal = Terminal(live, "train")
    terminals.append(terminal)
    wait_until(lambda: len(live.control(1).fits("end")) > before, "the fit runs", every=0.02)
    wait_until(lambda: terminal.shows("0:0"), "the bar is shown", every=0.05)
    terminal.process.send_signal(signal.SIGINT)
    wait_until(lambda: terminal.shows("Cancel it: label-studio-ml cancel"), "it says how to go on")
    assert terminal.process.wait(60) == 130
    job = terminal.shown.split("Job ")[1].split(":")[0]
    assert live.job(job)["job_status"] == "started"
    done = live.run_command("jobs", "--cancel", job)
    assert "Cancelled: fit returned by itself" in done.stdout


def test_ctrl_c_cancels_where_that_is_wanted(live: Live, terminals: list[Terminal]) -> None:
    live.control(1).do("polite")
    before = len(live.control(1).fits("end"))
    terminal = Terminal(live, "train", "--cancel-on-interrupt")
    terminals.append(terminal)
    wait_until(lambda: len(live.control(1).fits("end")) > before, "the fit runs", every=0.02)
    wait_until(lambda: terminal.shows("0:0"), "the bar is shown", every=0.05)
    terminal.process.send_signal(signal.SIGINT)
    wait_until(
        lambda: terminal.shows("the training was cancelled: fit returned by itself"), "it is cancelled"
    )
    assert terminal.process.wait(60) == 1


def test_ctrl_c_cancels_without_a_running_backend(
    tmp_path: Path, studio: FakeStudio, terminals: list[Terminal]
) -> None:
    """A terminal sends SIGINT to the whole group: the worker that the command brought must not end by it."""
    live = make_live(tmp_path / "alone", studio, "run_model", env={"CANCEL_GRACE": "0.2"})
    studio.add(1, 1)
    live.backend.start()
    live.setup(1)
    assert not live.backend.stop()
    live.control(1).do("polite")
    terminal = Terminal(live, "train", "--cancel-on-interrupt")
    terminals.append(terminal)
    wait_until(lambda: live.control(1).fits("end"), "the fit runs", every=0.02)
    wait_until(lambda: terminal.shows("0:0"), "the bar is shown", every=0.05)
    os.killpg(terminal.process.pid, signal.SIGINT)
    wait_until(
        lambda: terminal.shows("the training was cancelled: fit returned by itself"), "it is cancelled"
    )
    assert terminal.process.wait(120) == 1
    listed = live.run_command("jobs", "--json")
    assert [job["job_status"] for job in json.loads(listed.stdout)] == ["cancelled"]


def test_without_a_running_backend(tmp_path: Path, studio: FakeStudio) -> None:
    """Jobs are listed all the same; nothing is trained for that, and nothing is left behind."""
    live = make_live(tmp_path / "backend", studio, "run_model", env={"LABEL_STUDIO_ML_LEASE": "3"})
    studio.add(1, 1)
    assert live.run_command("jobs").stdout == "There are no training jobs yet\n"
    live.backend.start()
    try:
        live.setup(1)
        live.control(1).close_gate()
        job = live.send(start_training(1))
        live.control(1).wait_for_fit()
    finally:
        live.backend.kill()
    live.control(1).open_gate()
    listed = live.run_command("jobs")
    assert re.search(rf"{job} +1 +started", listed.stdout), listed
    followed = live.run_command("jobs", "--follow", job)
    assert (followed.returncode, "No backend is running" in followed.stderr) == (1, True)
    cancelled = live.run_command("cancel", job)
    assert (cancelled.returncode, "No backend is running" in cancelled.stdout) == (0, True)
    assert len(live.control(1).fits()) == 1
    live.backend.start()
    try:
        assert live.wait(job)["job_status"] == "cancelled"
        time.sleep(0.5)
        assert len(live.control(1).fits()) == 1
    finally:
        assert not live.backend.stop()
