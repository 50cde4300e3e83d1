"""A backend below uWSGI, where `sys.executable` is no interpreter: it answers, and trains in processes of its own."""

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from e2e.backend import Backend
from e2e.conftest import ROOT, missing
from live import FakeStudio, Live
from runtime.gunicorn_server import start_program

from .contents import CHOICES, chosen, labelled
from .project import FakeProject
from .served import BACKENDS, Served


@pytest.fixture(scope="module")
def uwsgi() -> str:
    """The program, built for the Python that runs the tests."""
    program = ROOT / ".venvs" / "uwsgi" / "bin" / "uwsgi"
    if program.is_file():
        return str(program)
    headers = Path(sysconfig.get_path("include"), "Python.h")
    if shutil.which("cc") is None or not headers.is_file():
        pytest.skip(f"uWSGI is built from source, which needs a C compiler (cc) and {headers}")
    missing(f"no {program}")
    return ""


@pytest.fixture
def below_uwsgi(uwsgi: str, tmp_path: Path) -> Iterator[Served]:
    """The backend of release 1.0.9, served as its Dockerfiles of that time did."""
    folder = tmp_path / "old_text"
    shutil.copytree(BACKENDS / "old_text", folder, ignore=shutil.ignore_patterns("__pycache__"))
    studio = FakeProject()
    live = Live(
        Backend(folder, tmp_path / "backend.log", env={"API_KEY": "none"}, host="127.0.0.1"),
        cast("FakeStudio", studio),
        tmp_path / "control",
    )
    options = ["--virtualenv", sys.prefix, "--module", "_wsgi:app", "--master", "--die-on-term", "--need-app"]
    number = ["--processes", "1", "--threads", "4", "--enable-threads", "--lazy-apps"]
    start_program(live, [uwsgi, "--http-socket", f"127.0.0.1:{live.backend.port}", *options, *number])
    yield Served(live, studio, CHOICES, "gunicorn")
    left = live.backend.stop()
    studio.stop()
    assert not left, "the backend left processes"


def test_it_answers_and_trains(below_uwsgi: Served) -> None:
    below_uwsgi.wait_for_version("INITIAL")
    assert below_uwsgi.predict({"text": "sour"}) == []
    assert below_uwsgi.live.backend.program is not None
    host = os.readlink(f"/proc/{below_uwsgi.live.backend.program.process.pid}/exe")
    assert Path(host).name == "uwsgi"
    below_uwsgi.studio.add(1, CHOICES, labelled(11, "sour", "bad"), labelled(12, "tea", "good"))
    version = below_uwsgi.train_to("ANNOTATION_CREATED")
    entries = below_uwsgi.predict({"text": "sour"}, {"text": "tea"})
    assert [chosen(entry) for entry in entries] == [("bad", 1.0, version), ("good", 1.0, version)]
    (model,) = below_uwsgi.live.model_processes()
    assert Path(os.readlink(f"/proc/{model}/exe")).name.startswith("python")
