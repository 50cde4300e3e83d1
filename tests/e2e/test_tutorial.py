"""Pages that begin with an empty folder, word for word: docs/tutorial.md, and the first start in docs/connect.md.

With `TUTORIAL_PICTURES=1`, the first test writes the pictures of the tutorial into docs/tutorial.
"""

import io
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import expect

from docs_site.blocks import block_of, blocks_of

from .backend import CLI, clean_environment
from .browser import Browser
from .conftest import ROOT, StartStudio
from .processes import Program, free_port, wait_until
from .studio import Studio, StudioServer, choice, chosen

TUTORIAL, CONNECT = "docs/tutorial.md", "docs/connect.md"
PICTURES = ROOT / "docs" / "tutorial"

#: Lines of the tutorial's shell, in their order.
LINES = [
    line for block in blocks_of(TUTORIAL) if block.language == "console" for line in block.text.splitlines()
]
#: The line that starts Label Studio with a project and a backend.
START_WITH_A_PROJECT = (
    "label-studio start my_project --init --label-config labels.xml --ml-backends http://localhost:9090"
)
LABEL_CONFIG = block_of(TUTORIAL, "xml").text
TASKS = json.loads(block_of(TUTORIAL, "json").text)

#: What the tutorial labels, in its order.
TOPICS = ["Delivery", "Payment", "Account", "Delivery", "Payment", "Account"]
#: Seconds that a command may take on a machine with much else to do.
DEADLINE = 300.0


class Reader:
    """Types lines of a page as they are written, but for the ports, which others may use here.

    `exported` is the line that sets variables in each of the reader's terminals.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.studio_url = "http://localhost:8080"
        self.exported = ""
        path = f"{Path(CLI[0]).parent}{os.pathsep}{os.environ['PATH']}"
        self.env = clean_environment({"PATH": path})
        self.backend: Program | None = None
        for name, text in (
            ("model.py", block_of(TUTORIAL, "python").text),
            ("labels.xml", LABEL_CONFIG),
            ("tasks.json", block_of(TUTORIAL, "json").text),
        ):
            (folder / name).write_text(text)

    def typed(self, line: str) -> str:
        line = line.replace("localhost:9090", f"localhost:{self.port}")
        return line.replace("http://localhost:8080", self.studio_url)

    def run(self, line: str) -> str:
        """Run a line and return what it prints."""
        done = subprocess.run(
            ["bash", "-c", f"{self.typed(self.exported)}\n{self.typed(line)}"],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start(self, line: str) -> None:
        """Run the line that starts the backend, until it serves."""
        command = f"{self.typed(self.exported)}\nexec {line} --port {self.port}"
        self.backend = Program(
            ["bash", "-c", command], cwd=self.folder, env=self.env, log=self.folder / "start.log"
        )
        wait_until(lambda: "Serving" in self.output(), "the backend serves", DEADLINE)

    def output(self) -> str:
        assert self.backend is not None
        assert self.backend.running, self.backend.output()
        return self.backend.output()


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    made = Reader(tmp_path)
    yield made
    if made.backend is not None:
        left = made.backend.stop()
        print(made.backend.output()[-6000:])
        assert not left


def test_the_lines_are_these() -> None:
    """The first test below runs those from `label-studio start` on.

    Of the others, tests/e2e/test_install.py installs this package beside Label Studio, and `make setup` makes the
    environment with Label Studio that the tests use. Label Studio gets the variables of the first `export` from
    `studio_environment`.
    """
    assert LINES == [
        "python3 -m venv tutorial-env",
        ". tutorial-env/bin/activate",
        "pip install --upgrade pip",
        "pip install label-studio",
        "pip install . scikit-learn",
        "export ML_BLOCK_LOCAL_IP=false SSRF_PROTECTION_ENABLED=false",
        "label-studio start",
        ". tutorial-env/bin/activate",
        "export LABEL_STUDIO_URL=http://localhost:8080 LABEL_STUDIO_API_KEY=…",
        "label-studio-ml init my_backend",
        "label-studio-ml start my_backend --check --label-config labels.xml",
        "label-studio-ml start my_backend",
        (
            "label-studio-ml connect my_backend --url http://localhost:8080 --new Messages "
            "--label-config labels.xml --tasks tasks.json"
        ),
        "label-studio-ml jobs my_backend",
        "label-studio-ml versions my_backend",
        "label-studio-ml predict my_backend --project 1",
    ]


class LabellingStream:
    """The page after "Label All Tasks" in a logged-in browser."""

    def __init__(self, studio: Studio, browser: Browser, project: int) -> None:
        self.page = browser.logged_in(studio)
        self.page.set_viewport_size({"width": 1100, "height": 560})
        self.page.goto(f"{studio.url}/projects/{project}/data")
        self.page.get_by_role("button", name=re.compile("^Label All Tasks")).first.click()

    def shows(self, text: str, topic: str | None = None) -> None:
        """Assert that the page shows a message, and this topic as its prediction."""
        expect(self.page.get_by_text(text)).to_be_visible()
        if topic:
            expect(self.page.locator(f"input[name={topic}]")).to_be_checked()

    def submit(self, topic: str) -> None:
        """Choose a topic and press "Submit"."""
        box = self.page.locator(f"input[name={topic}]")
        if not box.is_checked():
            box.check(force=True)
        button = self.page.get_by_role("button", name=re.compile("^submit", re.I)).first
        expect(button).to_be_enabled()
        with self.page.expect_response(
            lambda answer: "/annotations" in answer.url and answer.request.method == "POST"
        ) as posted:
            button.click()
        assert posted.value.status < 300, posted.value.text()


def keep_picture(page: Any, name: str) -> None:
    """Write what the page shows as a picture of the tutorial, with few colours, if that is asked for."""
    page.mouse.move(5, 5)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(128)
    if os.environ.get("TUTORIAL_PICTURES"):
        PICTURES.mkdir(exist_ok=True)
        picture.save(PICTURES / f"{name}.png", optimize=True)


def _start_label_studio(reader: Reader, start_studio: StartStudio, line: str) -> StudioServer:
    """Run a line with `label-studio start`, with the login that it would ask for and a port of its own."""
    words = reader.typed(line.replace("labels.xml", str(reader.folder / "labels.xml"))).split()
    assert words[:2] == ["label-studio", "start"]
    return start_studio(*words[2:])


def _label(stream: LabellingStream) -> None:
    for number, (task, topic) in enumerate(zip(TASKS, TOPICS, strict=False)):
        # Later messages may have a prediction of a version that was trained meanwhile.
        stream.shows(task["text"], "Delivery" if number < 2 else None)
        if number == 1:
            expect(stream.page.get_by_text("Annotation saved successfully", exact=True)).to_be_hidden()
            keep_picture(stream.page, "before")
        stream.submit(topic)


def _watch(reader: Reader, browser: Browser) -> None:
    """Wait on the dashboard for the end of the training on all that is labelled."""
    page = browser.new_page(viewport={"width": 1280, "height": 560})
    page.goto(f"http://localhost:{reader.port}/#/trainings")
    newest = page.get_by_role("row").nth(1)
    expect(newest).to_contain_text("finished")
    expect(newest.get_by_role("cell", name=str(len(TOPICS)), exact=True)).to_be_visible()
    keep_picture(page, "training")


@pytest.mark.timeout(1200)
def test_tutorial(reader: Reader, start_studio: StartStudio, browser: Browser) -> None:
    *_, export, init, check, start, connect, jobs, versions, predict = LINES
    server = _start_label_studio(reader, start_studio, "label-studio start")
    studio = server.wait()
    begun = time.monotonic()
    reader.studio_url = studio.url
    reader.exported = export.replace("…", str(studio.call("POST", "/api/token/")["token"]))
    reader.run(init)
    assert "its prediction of a sample task is valid" in reader.run(check)
    reader.start(start)
    said = reader.run(connect)
    assert "Messages, 12 tasks" in said
    assert "Test prediction through Label Studio: 1 region" in said
    (project,) = [each["id"] for each in studio.projects() if each["title"] == "Messages"]
    assert f"/projects/{project}/data" in said

    stream = LabellingStream(studio, browser, project)
    _label(stream)
    _watch(reader, browser)
    assert "finished" in reader.run(jobs)
    assert reader.run(versions).count("served") == 1
    stream.page.reload()
    stream.shows(TASKS[6]["text"], "Payment")
    seventh = studio.tasks(project)[6]["id"]
    of_seventh = [each for each in studio.predictions(project) if each["task"] == seventh]
    shown = max(of_seventh, key=lambda each: int(each["id"]))
    assert shown["model_version"] == studio.backend(project)["model_version"], "the newest version was asked"
    keep_picture(stream.page, "after")
    reader.run(predict.replace("--project 1", f"--project {project}"))
    newest = {
        each["task"]: chosen(each)
        for each in sorted(studio.predictions(project), key=lambda each: each["id"])
    }
    assert [newest[each["id"]] for each in studio.tasks(project)[6:]] == [
        *("Payment", "Account", "Delivery") * 2
    ]
    print(f"the tutorial's steps after the start of Label Studio: {time.monotonic() - begun:.0f} s")
    for text in (server.program.output(), reader.output()):
        assert "Traceback" not in text


@pytest.fixture
def first_label(reader: Reader) -> Reader:
    """A reader whose backend has the class of README.md, and runs."""
    (reader.folder / "model.py").write_text(block_of("README.md", "python").text)
    reader.run("label-studio-ml init my_backend")
    reader.start("label-studio-ml start my_backend")
    return reader


def _learns(studio: Studio, project: int) -> None:
    """Open a task, see the prediction, submit it, and see the new version's."""
    first, _, third, *_ = (task["id"] for task in studio.tasks(project))

    def opened(task: int) -> list[str]:
        return [chosen(prediction) for prediction in studio.get_task(task)["predictions"]]

    assert wait_until(lambda: opened(first), "the opened task is predicted") == ["Delivery"]
    before = studio.backend(project)["model_version"]
    studio.annotate(first, choice("Delivery", from_name="topic"))
    trained = wait_until(
        lambda: (shown := str(studio.backend(project)["model_version"])) != before and shown,
        "the new version is served",
    )
    studio.retrieve_predictions(project, [third])
    versions = {one["model_version"] for one in studio.get_task(third)["predictions"]}
    assert trained in versions


def test_a_start_of_label_studio_with_a_project(first_label: Reader, start_studio: StartStudio) -> None:
    assert START_WITH_A_PROJECT in block_of(CONNECT, "console", -1).text
    server = _start_label_studio(first_label, start_studio, START_WITH_A_PROJECT)
    studio = server.wait()
    (project,) = [project["id"] for project in studio.projects() if project["title"] == "my_project"]
    assert studio.backend(project)["state"] == "CO", studio.backend(project)
    assert studio.project(project)["label_config"].split() == LABEL_CONFIG.split()
    studio.import_tasks(project, TASKS)
    _learns(studio, project)
    assert "Traceback" not in server.program.output()
    assert "Traceback" not in first_label.output()


def test_a_start_with_a_project_that_has_no_label_config_yet(
    first_label: Reader, start_studio: StartStudio
) -> None:
    """As with the older tutorials' command, which names no label config."""
    line = START_WITH_A_PROJECT.replace("--label-config labels.xml ", "")
    server = _start_label_studio(first_label, start_studio, line)
    studio = server.wait()
    (project,) = [project["id"] for project in studio.projects() if project["title"] == "my_project"]
    assert studio.backend(project)["state"] == "CO", studio.backend(project)
    said = wait_until(
        lambda: [line for line in first_label.output().splitlines() if "has no label config yet" in line],
        "the state is said",
    )
    assert "FirstLabel needs one: This model needs a <Choices>; the label config is empty. Set it" in said[0]
    studio.call("PATCH", f"/api/projects/{project}/", json={"label_config": LABEL_CONFIG})
    studio.import_tasks(project, TASKS)
    _learns(studio, project)
    shown = studio.backend(project)
    assert (shown["state"], shown["error_message"]) == ("CO", None)
    assert "Traceback" not in server.program.output()
    assert "Traceback" not in first_label.output()
