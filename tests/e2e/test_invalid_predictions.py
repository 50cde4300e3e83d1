"""What a real Label Studio gets of a model that says nothing, and of one that says what the label config forbids."""

import json
import subprocess
from typing import Any

import pytest

from .backend import CLI, Backend, clean_environment
from .conftest import MakeBackend
from .studio import Studio

TEXTS = """<View><Text name="text" value="$text"/><Choices name="choice" toName="text"><Choice value="a"/>
<Choice value="b"/></Choices></View>"""
IMAGES = """<View><Image name="image" value="$image"/><RectangleLabels name="box" toName="image">
<Label value="cat"/></RectangleLabels></View>"""


def _command(name: str, backend: Backend, studio: Studio, project: int, *more: str) -> Any:
    options = ["--url", studio.url, "--project", str(project)]
    options += ["--port", str(backend.port)] if name != "predict" else []
    return subprocess.run(
        [*CLI, name, backend.folder.name, *options, *more],
        cwd=backend.folder.parent,
        env=clean_environment({"LABEL_STUDIO_API_KEY": studio.token}),
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


def _doctor(backend: Backend, studio: Studio, project: int) -> dict[str, dict[str, str]]:
    done = _command("doctor", backend, studio, project, "--json")
    return {check["name"]: check for check in json.loads(done.stdout)}


def test_what_the_label_config_does_not_allow_is_not_stored_and_is_said(
    label_studio: Studio, make_backend: MakeBackend
) -> None:
    backend = make_backend("careless.py")
    project = label_studio.create_project("careless", TEXTS)
    texts = ["fine", "bad label", "bad name", "bad value", "fine too", "bad label"]
    tasks = label_studio.import_tasks(project, [{"text": text} for text in texts])
    label_studio.add_backend(project, backend.url)
    label_studio.retrieve_predictions(project)
    stored = {prediction["task"] for prediction in label_studio.predictions(project)}
    assert stored == {tasks[0], tasks[4]}
    log = backend.log.read_text()
    assert log.count("the label 'unknown' is not in the label config (it has: a, b)") == 1
    assert "no control with this from_name (it has: choice)" in log
    check = _doctor(backend, label_studio, project)["invalid predictions"]
    assert check["status"] == "warn"
    assert "2 times regions of 'choice': the label 'unknown'" in check["what"]
    assert "and 2 other kinds" in check["what"]

    done = _command("predict", backend, label_studio, project)
    assert "the label 'unknown' is not in the label config" in done.stdout + done.stderr


@pytest.mark.parametrize("url", ["https://example.invalid/one.png"])
def test_a_model_for_clicks_is_no_failure(label_studio: Studio, make_backend: MakeBackend, url: str) -> None:
    backend = make_backend("clicked.py")
    project = label_studio.create_project("clicked", IMAGES)
    (task,) = label_studio.import_tasks(project, [{"image": url}])
    done = _command("connect", backend, label_studio, project, "--interactive")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the model returned no prediction for a random task" in done.stdout
    check = _doctor(backend, label_studio, project)["prediction"]
    assert (check["status"], check["what"]) == (
        "ok",
        f"the model returned no prediction for task {task}",
    )
    label_studio.get_task(task)
    label_studio.retrieve_predictions(project)
    assert label_studio.predictions(project) == []
    (entry,) = label_studio.get_backends(project)
    click = {"type": "keypointlabels", "value": {"x": 20, "y": 30, "width": 1, "keypointlabels": ["cat"]}}
    answer = label_studio.interactive(entry["id"], task, {"result": [click]})
    assert "data" in answer, answer
    assert answer["data"]["result"][0]["value"]["x"] == 20
    assert "ERROR" not in backend.log.read_text()
