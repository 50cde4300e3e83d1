"""The command lines of the pages, as they are there, in the order of a backend's life with a real Label Studio.

Numbers, addresses and placeholders such as `VERSION` are replaced by those of this run, and ports are chosen, as others
may use the default ones here. `tests/docs_site/command_lines.py` has the lines, and where the others are run.
"""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from docs_site.command_lines import MENTIONED_IN_ORDER, RUN_IN_ORDER

from .backend import CLI, clean_environment
from .conftest import MODELS
from .processes import Program, free_port, wait_until
from .studio import Studio, choice

CONFIG = """<View><Text name="text" value="$text"/>
<Choices name="choice" toName="text"><Choice value="Boeing"/><Choice value="Airbus"/></Choices></View>"""

LABELLED = {
    "jumbo hump": "Boeing",
    "beluga whale": "Airbus",
    "double decker": "Airbus",
    "four engine": "Boeing",
}
LATE = {"jumbo": "Boeing", "jumbo again": "Airbus"}
UNLABELLED = ["jumbo decker", "whale engine"]

#: Labelled tasks of another project: for a learning curve, and one wrong label among them.
MANY = [("jumbo", "Boeing"), ("beluga", "Airbus")] * 30
WRONG = 30

#: Seconds that a command, or what follows from it, may take on a machine with much else to do.
DEADLINE = 300.0

#: Lines that have the backend's port, which is the default one on the pages.
ASK_THE_PORT = re.compile("label-studio-ml (start|connect|doctor) (?!.*--check)")


class Reader:
    """Somebody who types the lines of the pages. `ran` are those that were run, as they are on the page."""

    def __init__(self, folder: Path, studio: Studio, project: int) -> None:
        self.folder, self.studio, self.project = folder, studio, project
        self.port = free_port()
        self.ran: set[str] = set()
        self.server: Program | None = None
        self.env = clean_environment(
            {
                "PATH": f"{Path(CLI[0]).parent}{os.pathsep}{os.environ['PATH']}",
                "LABEL_STUDIO_URL": studio.url,
                "LABEL_STUDIO_API_KEY": studio.token,
                "BROWSER": f"{folder / 'browser'} %s",
            }
        )

    def run(
        self, line: str, words: Mapping[str, str] | None = None, *, statuses: Sequence[int] = (0,)
    ) -> str:
        """Run a line, with some of its words replaced, and return what it prints."""
        done = subprocess.run(
            ["bash", "-c", self.typed(line, words or {})],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert done.returncode in statuses, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def begin(self, line: str) -> Program:
        """Run a line in the background."""
        command = ["bash", "-c", self.typed(line, {})]  # one command: bash becomes it
        return Program(command, cwd=self.folder, env=self.env, log=self.folder / f"{len(self.ran)}.log")

    def typed(self, line: str, words: Mapping[str, str]) -> str:
        assert line in RUN_IN_ORDER | MENTIONED_IN_ORDER
        self.ran.add(line)
        typed = line.replace("http://localhost:8080", self.studio.url)
        typed = re.sub(r"--project \d+", f"--project {self.project}", typed)
        for word, value in words.items():
            assert word in typed, (word, line)
            typed = typed.replace(word, value)
        return f"{typed} --port {self.port}" if ASK_THE_PORT.search(line) else typed

    def start(self, line: str) -> None:
        self.server = self.begin(line)
        server = self.server
        wait_until(lambda: not server.running or "Serving" in server.output(), "the backend serves", DEADLINE)
        assert server.running, server.output()

    def stop(self) -> None:
        assert self.server is not None
        left = self.server.stop()
        print(self.server.output()[-6000:])
        self.server = None
        assert not left

    def versions(self) -> list[dict[str, Any]]:
        """Return the versions, oldest first."""
        manifests = (self.folder / "my_backend" / "data" / "versions").glob("*/*/manifest.json")
        return sorted((json.loads(path.read_text()) for path in manifests), key=lambda each: str(each["id"]))


@pytest.fixture
def reader(tmp_path: Path, label_studio: Studio) -> Iterator[Reader]:
    project = label_studio.create_project("documented", CONFIG)
    texts = [*LABELLED, *UNLABELLED]
    tasks = label_studio.import_tasks(project, [{"text": text} for text in texts])
    for task, label in zip(tasks, LABELLED.values(), strict=False):
        label_studio.annotate(task, choice(label))
    shutil.copy(MODELS / "small.py", tmp_path / "model.py")
    for name in ("labels.xml", "config.xml"):
        (tmp_path / name).write_text(CONFIG)
    (tmp_path / "tasks.json").write_text(json.dumps([{"data": {"text": text}} for text in UNLABELLED]))
    (tmp_path / "browser").write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    (tmp_path / "browser").chmod(0o700)
    made = Reader(tmp_path, label_studio, project)
    yield made
    if made.server is not None:
        made.stop()


def _start(reader: Reader) -> None:
    assert "text-classifier" in reader.run("label-studio-ml examples")
    reader.run("label-studio-ml init my_backend")
    assert re.search(
        r"^\d+ passed, \d+ skipped: SmallModel", reader.run("label-studio-ml test my_backend"), re.MULTILINE
    )
    checked = "its prediction of a sample task is valid"
    assert checked in reader.run("label-studio-ml start my_backend --check --label-config labels.xml")
    assert "valid" in reader.run("label-studio-ml start my_backend --check")
    reader.start("label-studio-ml start my_backend")
    assert f":{reader.port}/" in reader.run("label-studio-ml open my_backend")
    assert f":{reader.port}/" in (reader.folder / "opened").read_text()


def _connect(reader: Reader) -> None:
    studio, project = reader.studio, reader.project
    for line in (
        "label-studio-ml connect my_backend --url http://localhost:8080 --project 7 --no-prelabel",
        "label-studio-ml connect my_backend --url http://localhost:8080 --project 1",
        "label-studio-ml connect my_backend --url http://localhost:8080 --project 7",
        "label-studio-ml connect my_backend --project 7",
        "label-studio-ml connect my_backend --project 8",
        "label-studio-ml connect my_backend --project 7 --interactive",
    ):
        assert "Test prediction through Label Studio: 1 region" in reader.run(line)
        assert "--no-prelabel" in line or studio.project(project)["model_version"] == "my_backend"
    assert studio.backend(project)["is_interactive"]
    said = reader.run("label-studio-ml doctor my_backend --url http://localhost:8080 --project 1")
    assert re.search(r"^\d+ ok, 1 skip$", said, re.MULTILINE), "there are no predictions to score yet"


def _train(reader: Reader) -> None:
    assert "learned from 4 labelled tasks (Label Studio)" in reader.run("label-studio-ml train my_backend")
    (first,) = reader.versions()
    reader.run(
        "label-studio-ml train my_backend --from-version 20261123-141530-9f3a",
        {"20261123-141530-9f3a": first["id"]},
    )
    assert len(reader.versions()) == 2
    _interrupt(reader)
    _cancel(reader)
    assert len(reader.versions()) == 2, "what was ended made no version"


def _held(reader: Reader, line: str) -> Program:
    """Begin a training, and return its command when `fit` runs and waits."""
    backend = reader.folder / "my_backend"
    (backend / "hold").touch()
    (backend / "holding").unlink(missing_ok=True)
    program = reader.begin(line)
    wait_until((backend / "holding").exists, "fit waits", DEADLINE)
    return program


def _ended(reader: Reader, program: Program) -> None:
    wait_until(lambda: not program.running, "the command ends", DEADLINE)
    (reader.folder / "my_backend" / "hold").unlink()
    assert program.process.returncode == 1, program.output()
    assert "the training was cancelled" in program.output()


def _jobs(reader: Reader) -> list[dict[str, Any]]:
    return list(json.loads(reader.run("label-studio-ml jobs my_backend --json")))


def _interrupt(reader: Reader) -> None:
    program = _held(reader, "label-studio-ml train my_backend --cancel-on-interrupt")
    program.process.send_signal(signal.SIGINT)
    _ended(reader, program)


def _cancel(reader: Reader) -> None:
    program = _held(reader, "label-studio-ml train my_backend")
    reader.run("label-studio-ml cancel my_backend JOB", {"JOB": _jobs(reader)[0]["job"]})
    _ended(reader, program)


def _read_jobs(reader: Reader) -> None:
    jobs = _jobs(reader)
    assert [job["job_status"] for job in jobs] == ["cancelled", "cancelled", "finished", "finished"]
    assert jobs[-1]["job"] in reader.run("label-studio-ml jobs my_backend")
    reader.run("label-studio-ml jobs my_backend --follow JOB", {"JOB": jobs[-1]["job"]})
    reader.run("label-studio-ml jobs my_backend --parked")
    nothing = reader.run("label-studio-ml jobs my_backend --retry", statuses=(1,))
    assert "No events are set aside" in nothing


def _choose_versions(reader: Reader) -> None:
    first, second = (each["id"] for each in reader.versions())
    for line, served in (
        ("label-studio-ml rollback my_backend", first),
        ("label-studio-ml promote my_backend VERSION", second),
        ("label-studio-ml promote my_backend VERSION --pin", first),
        ("label-studio-ml unpin my_backend", first),
    ):
        reader.run(line, {"VERSION": served} if "VERSION" in line else {})
        listed = reader.run("label-studio-ml versions my_backend").splitlines()
        assert [each.split()[0] for each in listed if "served" in each] == [served], listed


def _copy_versions(reader: Reader) -> None:
    """`push` and `pull` copy to and from a folder in place of a bucket: tests/e2e/test_storages.py has those."""
    first, second = (each["id"] for each in reader.versions())
    archive = {"FILE.tar.gz": "second.tar.gz"}
    line = "label-studio-ml export my_backend VERSION --output FILE.tar.gz"
    reader.run(line, {"VERSION": second, **archive})
    store = {"s3://bucket/prefix": "store", "[VERSION…]": first}
    reader.run("label-studio-ml push my_backend s3://bucket/prefix [VERSION…]", store)
    other = reader.folder / "other_backend"
    other.mkdir()
    shutil.copy(reader.folder / "model.py", other)
    there = {"my_backend": other.name}
    reader.run("label-studio-ml import my_backend FILE.tar.gz", {**there, **archive})
    reader.run("label-studio-ml pull my_backend s3://bucket/prefix [VERSION…]", {**there, **store})
    assert {path.parent.name for path in other.glob("data/versions/*/*/manifest.json")} == {first, second}
    line = "label-studio-ml push my_backend s3://bucket/prefix --model-dir data"
    reader.run(line, {"s3://bucket/prefix": "all"})
    assert {path.parent.name for path in (reader.folder / "all").rglob("manifest.json")} == {first, second}
    reader.run("label-studio-ml delete my_backend VERSION…", {"VERSION…": second})
    assert [each["id"] for each in reader.versions()] == [first]


def _measure(reader: Reader) -> None:
    """Of two tasks that were annotated after the training, the model is right about one."""
    for text, label in LATE.items():
        (task,) = reader.studio.import_tasks(reader.project, [{"text": text}])
        reader.studio.annotate(task, choice(label))
    said = reader.run("label-studio-ml evaluate my_backend --project 7")
    assert "choice (choices, 2 tasks): accuracy 0.500" in said
    reader.run("label-studio-ml value my_backend --project 1")


def _predict(reader: Reader) -> None:
    studio, project = reader.studio, reader.project
    last = max(task["id"] for task in studio.tasks(project))
    reader.run(
        'label-studio-ml predict my_backend --project 7 --where "id in 1..20"', {"1..20": f"{last}..{last}"}
    )
    assert last in {each["task"] for each in studio.predictions(project)}
    reader.run("label-studio-ml predict my_backend --project 7")
    assert {each["task"] for each in studio.predictions(project)} == {
        task["id"] for task in studio.tasks(project)
    }
    reader.run("label-studio-ml predict my_backend --project 7 --shards 16")
    reader.run("label-studio-ml rank my_backend --project 7")
    line = "label-studio-ml predict my_backend --input tasks.json --output predicted.json --label-config config.xml"
    reader.run(line)
    written = json.loads((reader.folder / "predicted.json").read_text())
    assert [len(task["predictions"]) for task in written] == [1, 1]


def _use_tokens(reader: Reader) -> None:
    """With this variable, a backend lets nobody in without a token: the one of this test has it not."""
    reader.env["TOKENS_FILE"] = str(reader.folder / "tokens")
    reader.run("label-studio-ml tokens add prometheus")
    assert "prometheus" in reader.run("label-studio-ml tokens list")
    reader.run("label-studio-ml tokens revoke prometheus")
    assert "prometheus" not in reader.run("label-studio-ml tokens list")
    del reader.env["TOKENS_FILE"]


def _predict_after_a_training(reader: Reader) -> None:
    reader.stop()
    reader.start("PREDICT_AFTER_TRAINING=all label-studio-ml start my_backend")
    reader.run("label-studio-ml train my_backend")
    newest = reader.versions()[-1]["id"]

    def predicted() -> bool:
        found = reader.studio.predictions(reader.project)
        return len({each["task"] for each in found if each["model_version"] == newest}) == len(
            [*LABELLED, *LATE, *UNLABELLED]
        )

    wait_until(predicted, "all tasks are predicted by the new version", DEADLINE)


def _forget(reader: Reader) -> None:
    """As the command says, it waits for the end of the worker's job that has predicted all tasks."""
    (listed,) = re.findall(rf"{reader.project}\.\d+", reader.run("label-studio-ml projects my_backend"))
    line = "label-studio-ml projects forget my_backend 7.1700000000 [--yes] [--with-versions]"
    words = {"7.1700000000": listed, "[--yes]": "--yes", "[--with-versions]": "--with-versions"}

    def forgotten() -> bool:
        return "Wait for its end" not in reader.run(line, words, statuses=(0, 1))

    wait_until(forgotten, "the project is forgotten", DEADLINE)
    assert reader.versions() == []


def _train_on_parts(reader: Reader) -> None:
    """With trainings on parts of the tasks: the learning curve, and the wrong label, for which there is a tab."""
    studio = reader.studio
    project = studio.create_project("documented parts", CONFIG)
    labels = [label for _, label in MANY]
    labels[WRONG] = "Airbus"
    tasks = [
        {"data": {"text": text}, "annotations": [{"result": choice(label)}]}
        for (text, _), label in zip(MANY, labels, strict=True)
    ]
    studio.call("POST", f"/api/projects/{project}/import", json=tasks)
    words = {f"--project {reader.project}": f"--project {project}"}
    said = reader.run("label-studio-ml evaluate my_backend --project 7 --curve", words)
    assert "60 labelled tasks of project" in said
    assert "25 trainings in 5 folds" in said
    assert "choice: accuracy, higher is better" in said
    said = reader.run("label-studio-ml evaluate my_backend --project 7 --doubtful 100", words)
    assert "Predictions contradict 1 annotation;" in said
    assert f"The tab in Label Studio: {studio.url}/projects/{project}/data?tab=" in said


def _examine(reader: Reader) -> None:
    """`conformance` has Label Studio's time limits, some of which are 1 s: the status is 1 if the backend is slower."""
    address = {"localhost:9090": f"localhost:{reader.port}"}
    for line, *ends in (
        ("label-studio-ml conformance http://localhost:9090", "^ok +all-tasks .* 8 predictions of 8 tasks"),
        (
            "label-studio-ml conformance http://localhost:9090 --label-config config.xml --tasks tasks.json --train",
            "^ok +all-tasks .* 2 predictions of 2 tasks",
            "^(ok|warn) +training ",
        ),
    ):

        def reported(line: str = line, ends: Sequence[str] = ends) -> bool:
            said = reader.run(line, address, statuses=(0, 1))
            return all(re.search(end, said, re.MULTILINE) for end in ends)

        wait_until(reported, f"its report has the checks without a short time limit: {line}", DEADLINE)
    reader.run("label-studio-ml openapi openapi.json")
    assert json.loads((reader.folder / "openapi.json").read_text())["openapi"].startswith("3.1")


@pytest.mark.timeout(1200)
def test_the_commands_of_the_pages(reader: Reader) -> None:
    for part in (
        *(_start, _connect, _train, _read_jobs, _choose_versions, _copy_versions, _measure),
        *(_predict, _use_tokens, _predict_after_a_training, _forget, _train_on_parts, _examine),
    ):
        part(reader)
    assert reader.ran == RUN_IN_ORDER | MENTIONED_IN_ORDER
