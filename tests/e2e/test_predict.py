"""`label-studio-ml predict` on projects of a real Label Studio."""

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from label_studio_ml.projects.journal import Journal
from label_studio_ml.protocol.requests import uid_of

from .backend import CLI, Backend, clean_environment
from .conftest import MODELS, MakeBackend, StartStudio
from .processes import Program, wait_until
from .studio import Studio, choice

CONFIG = """<View><Text name="text" value="$text"/><Choices name="choice" toName="text"><Choice value="a"/>
<Choice value="b"/></Choices></View>"""

#: 400 tasks of 5 ms; a person may play it with more: PREDICT_TASKS=5000 PREDICT_SECONDS=0.02.
TASKS = int(os.environ.get("PREDICT_TASKS", "400"))
SECONDS = float(os.environ.get("PREDICT_SECONDS", "0.005"))


class Predict:
    """Runs of `label-studio-ml predict` on one folder."""

    def __init__(self, folder: Path, studio: Studio, log: Path) -> None:
        self.folder, self.log = folder, log
        self.env = clean_environment(
            {
                "LABEL_STUDIO_URL": studio.url,
                "LABEL_STUDIO_API_KEY": studio.token,
                "STEADY_SECONDS": str(SECONDS),
            }
        )
        self.programs: list[Program] = []

    def start(self, *arguments: str) -> Program:
        command = [*CLI, "predict", str(self.folder), *arguments]
        self.programs.append(Program(command, cwd=self.folder.parent, env=self.env, log=self.log))
        return self.programs[-1]

    def run(self, *arguments: str, code: int = 0) -> str:
        command = [*CLI, "predict", str(self.folder), *arguments]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "steady"
    folder.mkdir()
    shutil.copy(MODELS / "steady.py", folder / "model.py")
    return folder


@pytest.fixture
def predict(folder: Path, label_studio: Studio, tmp_path: Path) -> Iterator[Predict]:
    runs = Predict(folder, label_studio, tmp_path / "predict.log")
    yield runs
    for program in runs.programs:
        program.kill()


def versions(studio: Studio, project: int) -> Counter[tuple[int, str]]:
    """Return how many predictions of each version each task has."""
    return Counter((one["task"], one["model_version"]) for one in studio.predictions(project))


def wrong(found: Counter[tuple[int, str]], ids: list[int]) -> dict[tuple[int, str], int]:
    """Return, of the tasks that do not have exactly one prediction, how many they have."""
    expected = Counter({(task, "INITIAL"): 1 for task in ids})
    return {key: found[key] for key in found.keys() | expected.keys() if found[key] != expected[key]}


def test_every_task_gets_one_prediction_whatever_is_killed(
    start_studio: StartStudio, folder: Path, tmp_path: Path
) -> None:
    server = start_studio()
    studio = server.wait()
    project = studio.create_project("killed", CONFIG)
    ids = studio.import_tasks(project, [{"text": f"n{number}"} for number in range(TASKS)])
    predict = Predict(folder, studio, tmp_path / "predict.log")

    def stored(least: int) -> bool:
        return int(studio.project(project)["total_predictions_number"]) >= least

    for share in (0.15, 0.4):
        program = predict.start("--project", str(project))
        wait_until(lambda share=share: stored(int(share * TASKS)), "some are stored", 240, 0.5)  # type: ignore[misc]
        program.kill()
    program = predict.start("--project", str(project))
    wait_until(lambda: stored(int(0.6 * TASKS)), "more are stored", 240, 0.5)
    server.kill()
    server.again()
    server.wait()
    wait_until(lambda: not program.running, "the last run ends", 240)

    assert program.process.returncode == 0, program.output()
    assert wrong(versions(studio, project), ids) == {}
    assert studio.predictions(project)[0]["score"] == 0.25
    again = predict.run("--project", str(project))
    assert again.startswith(f"All {TASKS:,} tasks have a prediction of version INITIAL already"), again


@pytest.mark.parametrize("evaluates", [True, False], ids=["evaluates", "plain"])
def test_what_a_killed_run_left_is_found_and_second_copies_go(
    label_studio: Studio, predict: Predict, evaluates: bool
) -> None:
    project = label_studio.create_project(
        "left", CONFIG, evaluate_predictions_automatically=evaluates, show_collab_predictions=False
    )
    ids = label_studio.import_tasks(project, [{"text": f"n{number}"} for number in range(6)])
    stored = {"result": choice("a"), "score": 0.25, "model_version": "INITIAL"}
    body = [{"task": task, **stored} for task in [ids[0], ids[0], ids[1], ids[2], ids[2]]]
    body[-1]["model_version"] = "INITIAL-2"
    label_studio.call("POST", f"/api/projects/{project}/import/predictions", json=body)
    uid = uid_of(label_studio.project(project))
    journal = Journal(predict.folder / "data" / "predict", uid, "INITIAL")
    journal.begin(ids[:3])
    journal.close()

    said = predict.run("--project", str(project))

    assert "3 tasks have a prediction" in said
    assert "1 second copy was removed" in said
    expected = Counter({(task, "INITIAL"): 1 for task in ids})
    assert versions(label_studio, project) == expected + Counter({(ids[2], "INITIAL-2"): 1})


def test_only_tasks_that_meet_the_conditions(label_studio: Studio, predict: Predict) -> None:
    project = label_studio.create_project("where", CONFIG)
    ids = label_studio.import_tasks(
        project, [{"text": f"n{number}", "lang": "en" if number % 2 else "de"} for number in range(12)]
    )
    for task in ids[:4]:
        label_studio.annotate(task, choice("a"))
    where = ["--where", "total_annotations = 0", "--where", "data.lang = en"]

    dry = predict.run("--project", str(project), *where, "--dry-run")
    assert dry.startswith("4 tasks have no prediction"), dry
    assert not label_studio.predictions(project)
    predict.run("--project", str(project), *where)

    assert {task for task, _ in versions(label_studio, project)} == {ids[5], ids[7], ids[9], ids[11]}


def slow(backend: Backend) -> None:
    """Make a run take a minute, until `seconds` says otherwise: nothing that a test does meanwhile takes that long."""
    (backend.folder / "seconds").write_text("0.1")


def test_a_backend_that_runs_is_asked_and_goes_on_answering(
    label_studio: Studio, make_backend: MakeBackend, tmp_path: Path
) -> None:
    backend = make_backend("steady.py")
    slow(backend)
    project = label_studio.create_project("beside", CONFIG)
    ids = label_studio.import_tasks(project, [{"text": f"n{number}"} for number in range(600)])
    label_studio.add_backend(project, backend.url)
    other = label_studio.create_project("live", CONFIG)
    (live,) = label_studio.import_tasks(other, [{"text": "now"}])
    label_studio.add_backend(other, backend.url)
    predict = Predict(backend.folder, label_studio, tmp_path / "predict.log")
    program = predict.start("--project", str(project))
    wait_until(lambda: label_studio.predictions(project), "the first are stored")

    label_studio.retrieve_predictions(other, [live])

    assert versions(label_studio, other) == Counter({(live, "INITIAL"): 1})
    assert program.running, "an annotator's request waited for the whole run"
    (backend.folder / "seconds").write_text("0")
    wait_until(lambda: not program.running, "the run ends", 240)
    assert program.process.returncode == 0, program.output()
    assert f"asked from the backend at http://127.0.0.1:{backend.port}" in program.output()
    assert versions(label_studio, project) == Counter({(task, "INITIAL"): 1 for task in ids})


def test_a_backend_that_ends_meanwhile_is_done_without(
    label_studio: Studio, make_backend: MakeBackend, tmp_path: Path
) -> None:
    backend = make_backend("steady.py")
    slow(backend)
    project = label_studio.create_project("ends", CONFIG)
    ids = label_studio.import_tasks(project, [{"text": f"n{number}"} for number in range(400)])
    predict = Predict(backend.folder, label_studio, tmp_path / "predict.log")
    program = predict.start("--project", str(project))
    wait_until(lambda: "asked from the backend" in program.output(), "it asks the backend")
    backend.kill()

    (backend.folder / "seconds").write_text("0")
    wait_until(lambda: not program.running, "the run ends", 240)
    assert program.process.returncode == 0, program.output()
    assert "the model is built in a process of its own" in program.output()
    assert versions(label_studio, project) == Counter({(task, "INITIAL"): 1 for task in ids})


def test_what_label_studio_does_not_take_is_said(label_studio: Studio, predict: Predict) -> None:
    other = CONFIG.replace('"choice"', '"other"')
    project = label_studio.create_project("unfit", other)
    label_studio.import_tasks(project, [{"text": "n"}, {"text": "m"}])
    said = predict.run("--project", str(project), code=1)
    assert "2 tasks have none: the prediction does not fit the label config: " in said
    assert not label_studio.predictions(project)


@pytest.mark.parametrize("kind", ["json", "jsonl"])
def test_files_need_no_label_studio(predict: Predict, tmp_path: Path, kind: str) -> None:
    tasks = [{"id": number, "data": {"text": f"n{number}"}} for number in range(70)]
    source, target, config = (tmp_path / name for name in (f"in.{kind}", f"out.{kind}", "config.xml"))
    source.write_text(json.dumps(tasks) if kind == "json" else "\n".join(map(json.dumps, tasks)))
    config.write_text(CONFIG)
    del predict.env["LABEL_STUDIO_URL"], predict.env["LABEL_STUDIO_API_KEY"]

    predict.run("--input", str(source), "--output", str(target), "--label-config", str(config))

    text = target.read_text()
    written = json.loads(text) if kind == "json" else [json.loads(line) for line in text.splitlines()]
    assert [{"id": task["id"], "data": task["data"]} for task in written] == tasks
    stored = [{"result": choice("a"), "score": 0.25, "model_version": "INITIAL"}]
    assert [task["predictions"] for task in written] == [stored] * 70


@pytest.mark.skipif("MEASURE" not in os.environ, reason="a measurement, for a quiet machine")
def test_the_model_is_kept_busy(label_studio: Studio, predict: Predict) -> None:
    project = label_studio.create_project("measured", CONFIG)
    for _ in range(0, TASKS, 1000):
        label_studio.import_tasks(project, [{"text": f"n{number}"} for number in range(min(TASKS, 1000))])
    said = predict.run("--project", str(project))
    rate = re.search(r"in [0-9.]+ s \(([0-9.]+)/s", said)
    assert rate is not None
    print(f"{said}ratio to the model's own rate: {float(rate[1]) * SECONDS:.3f}")
