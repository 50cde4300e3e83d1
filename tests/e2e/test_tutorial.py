"""The README's tutorial, word for word, from an empty folder: its files and its commands, in its order."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .backend import CLI, clean_environment
from .conftest import ROOT, StartStudio
from .processes import Program, free_port, wait_until
from .studio import Studio, StudioServer, choice, chosen

_SECTION = (
    (ROOT / "README.md")
    .read_text(encoding="utf-8")
    .partition("## The tutorial\n")[2]
    .partition("\n### And")[0]
)


def _file(kind: str) -> str:
    """Return the tutorial's one block of that kind."""
    (text,) = re.findall(rf"^```{kind}\n(.*?)^```$", _SECTION, re.MULTILINE | re.DOTALL)
    return str(text)


#: The tutorial's commands: what is indented by four blanks, outside of the files.
COMMANDS = re.findall(
    r"^    (\S.*)$", re.sub(r"^```.*?^```$", "", _SECTION, flags=re.MULTILINE | re.DOTALL), re.M
)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """The folder in which the reader works."""
    (tmp_path / "model.py").write_text(_file("python"))
    (tmp_path / "labels.xml").write_text(_file("xml"))
    (tmp_path / "tasks.json").write_text(_file("json"))
    return tmp_path


class Reader:
    """Runs commands of the tutorial as they are written, but for the ports, which others may use here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.studio_url = "http://localhost:8080"
        self.env = clean_environment({"PATH": f"{Path(CLI[0]).parent}{os.pathsep}{os.environ['PATH']}"})
        self.backend: Program | None = None

    def words(self, command: str) -> str:
        command = command.replace("localhost:9090", f"localhost:{self.port}")
        return command.replace("http://localhost:8080", self.studio_url)

    def run(self, command: str) -> "subprocess.CompletedProcess[str]":
        assert command in COMMANDS
        return subprocess.run(
            ["bash", "-c", self.words(command)],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def start(self, command: str) -> None:
        assert command in COMMANDS
        words = [*command.split(), "--port", str(self.port)]
        self.backend = Program(words, cwd=self.folder, env=self.env, log=self.folder / "start.log")
        wait_until(lambda: "Serving" in self.output(), "the backend serves")

    def output(self) -> str:
        assert self.backend is not None
        assert self.backend.running, self.backend.output()
        return self.backend.output()


@pytest.fixture
def reader(here: Path) -> Iterator[Reader]:
    made = Reader(here)
    yield made
    if made.backend is not None:
        left = made.backend.stop()
        print(made.backend.output()[-6000:])
        assert not left


def test_the_commands_are_these() -> None:
    """Each is run by a test: `pip install` by test_install.py, containers by test_containers.py, the others below."""
    assert COMMANDS == [
        "pip install .",
        "label-studio-ml init my_backend",
        "label-studio-ml start my_backend --check --label-config labels.xml",
        "label-studio-ml start my_backend",
        "export ML_BLOCK_LOCAL_IP=false SSRF_PROTECTION_ENABLED=false",
        "label-studio start my_project --init --label-config labels.xml --ml-backends http://localhost:9090",
        "export LABEL_STUDIO_API_KEY=…",
        (
            "label-studio-ml connect my_backend --url http://localhost:8080 --new Moods "
            "--label-config labels.xml --tasks tasks.json"
        ),
        "cd my_backend",
        "docker compose up --build",
    ]


def _init_and_start(reader: Reader) -> None:
    done = reader.run("label-studio-ml init my_backend")
    assert done.returncode == 0, done.stdout + done.stderr
    again = reader.run("label-studio-ml init my_backend")
    assert again.returncode == 1, "an existing folder is left alone"
    checked = reader.run("label-studio-ml start my_backend --check --label-config labels.xml")
    assert checked.returncode == 0, checked.stderr
    assert "its prediction of a sample task is valid" in checked.stdout
    reader.start("label-studio-ml start my_backend")


def _start_label_studio(reader: Reader, start_studio: StartStudio, command: str) -> StudioServer:
    """Run the tutorial's `label-studio start`, with the login that it would ask for and a port of its own."""
    words = reader.words(command.replace("labels.xml", str(reader.folder / "labels.xml"))).split()
    assert words[:2] == ["label-studio", "start"]
    return start_studio(*words[2:])


def _learns(studio: Studio, project: int) -> None:
    """Do the tutorial's last steps: open a task, see the prediction, submit it, and see the new version's."""
    first, _, third = (task["id"] for task in studio.tasks(project))

    def opened(task: int) -> list[str]:
        return [chosen(prediction) for prediction in studio.get_task(task)["predictions"]]

    assert wait_until(lambda: opened(first), "the opened task is predicted") == ["Good"]
    before = studio.backend(project)["model_version"]
    studio.annotate(first, [{**region, "from_name": "mood"} for region in choice("Good")])
    trained = wait_until(
        lambda: (shown := str(studio.backend(project)["model_version"])) != before and shown,
        "the new version is served",
    )
    studio.retrieve_predictions(project, [third])
    versions = {one["model_version"] for one in studio.get_task(third)["predictions"]}
    assert trained in versions


def test_tutorial(reader: Reader, start_studio: StartStudio) -> None:
    _init_and_start(reader)
    server = _start_label_studio(reader, start_studio, COMMANDS[5])
    studio = server.wait()
    (project,) = [project["id"] for project in studio.projects() if project["title"] == "my_project"]
    assert studio.backend(project)["state"] == "CO", studio.backend(project)
    assert studio.project(project)["label_config"].split() == _file("xml").split()
    studio.import_tasks(project, json.loads(_file("json")))
    _learns(studio, project)
    assert "Traceback" not in server.program.output()
    assert "Traceback" not in reader.output()


def test_tutorial_before_there_is_a_label_config(reader: Reader, start_studio: StartStudio) -> None:
    """As with the older tutorials' command, which names no label config."""
    _init_and_start(reader)
    server = _start_label_studio(reader, start_studio, COMMANDS[5].replace("--label-config labels.xml ", ""))
    studio = server.wait()
    (project,) = [project["id"] for project in studio.projects() if project["title"] == "my_project"]
    assert studio.backend(project)["state"] == "CO", studio.backend(project)
    said = wait_until(
        lambda: [line for line in reader.output().splitlines() if "has no label config yet" in line],
        "the state is said",
    )
    assert "FirstLabel needs one: This model needs a <Choices>; the label config is empty. Set it" in said[0]
    studio.call("PATCH", f"/api/projects/{project}/", json={"label_config": _file("xml")})
    studio.import_tasks(project, json.loads(_file("json")))
    _learns(studio, project)
    shown = studio.backend(project)
    assert (shown["state"], shown["error_message"]) == ("CO", None)
    assert "Traceback" not in server.program.output()
    assert "Traceback" not in reader.output()


def test_one_command_makes_the_project(reader: Reader, label_studio: Studio) -> None:
    reader.studio_url = label_studio.url
    reader.env["LABEL_STUDIO_API_KEY"] = label_studio.token
    _init_and_start(reader)
    # The tutorial's backend is on the default port, which `connect` takes unless it is told another.
    command = f"{reader.words(COMMANDS[7])} --port {reader.port}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=reader.folder,
        env=reader.env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Moods, 3 tasks" in done.stdout
    assert "Test prediction through Label Studio: 1 region" in done.stdout
    (project,) = [project["id"] for project in label_studio.projects() if project["title"] == "Moods"]
    assert f"/projects/{project}/data" in done.stdout
    _learns(label_studio, project)
