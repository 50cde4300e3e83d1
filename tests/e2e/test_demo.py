"""`make demo`, played by itself, and ended with Ctrl-C."""

import re
import signal
import sys
from pathlib import Path

from .backend import clean_environment
from .conftest import ROOT
from .processes import Program, free_port, wait_until


def start_demo(folder: Path, studio_venv: Path, *arguments: str) -> Program:
    command: list[str | Path] = [
        sys.executable,
        ROOT / "scripts" / "demo",
        "--folder",
        folder,
        "--studio",
        studio_venv,
    ]
    command += ["--images", "200", "--port", str(free_port()), "--backend-port", str(free_port()), *arguments]
    return Program(
        command, cwd=folder.parent, env=clean_environment(), log=folder.parent / f"{len(arguments)}.log"
    )


def test_demo_learns_and_leaves_nothing_running(tmp_path: Path, studio_venv: Path) -> None:
    folder = tmp_path / "demo"
    demo = start_demo(folder, studio_venv, "--auto-label", "40", "--exit")
    try:
        wait_until(lambda: not demo.running, "the demo has ended", 400)
        output = demo.output()
        assert demo.process.returncode == 0, output
        assert not demo.descendants()
        # One picture in ten would be luck; forty labelled ones make it two thirds and more.
        measured = [int(percent) for percent in re.findall(r"\((\d+)%\), mean score", output)]
        assert measured, output
        assert measured[-1] >= 50, output
    finally:
        demo.kill()

    # A second time on the same folder: nothing is uploaded again, a trained version is there.
    again = start_demo(folder, studio_venv)
    try:
        wait_until(lambda: "Ctrl-C ends it all" in again.output() or not again.running, "the demo is up", 240)
        assert again.running, again.output()
        assert "uploading" not in again.output()
        assert re.search(r"version \S+: \d+ of \d+ unlabelled pictures right", again.output())
        again.process.send_signal(signal.SIGINT)
        wait_until(lambda: not again.running, "Ctrl-C has ended the demo")
        assert again.process.returncode == 0, again.output()
        assert not again.descendants()
    finally:
        again.kill()
