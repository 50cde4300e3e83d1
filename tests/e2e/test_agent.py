"""Pull mode: Label Studio cannot reach the backend, the backend goes to Label Studio."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from s3_server import S3Server, s3

from .backend import CLI, clean_environment
from .conftest import MODELS, StartStudio
from .processes import Program, wait_until
from .studio import Studio, StudioRefused, choice, chosen

__all__ = ["s3"]

CONFIG = """<View><Text name="text" value="$text"/><Choices name="choice" toName="text"><Choice value="a"/>
<Choice value="b"/></Choices></View>"""


@pytest.fixture(scope="module")
def studio(start_studio: StartStudio) -> Studio:
    """A Label Studio with both of its address blocks at their defaults."""
    return start_studio(env={"ML_BLOCK_LOCAL_IP": "true", "SSRF_PROTECTION_ENABLED": "true"}).wait()


class Agent:
    """`label-studio-ml agent FOLDER`, which can be ended and started again."""

    def __init__(self, folder: Path, studio: Studio, *projects: int, env: Mapping[str, str] = {}) -> None:
        self.folder = folder
        self.env = {**clean_environment(), **env}
        self.log = folder.parent / "agent.log"
        key = folder.parent / "key"
        key.write_text(studio.token)
        numbers = ",".join(map(str, projects))
        self.command = [*CLI, "agent", str(folder), "--url", studio.url, "--api-key-file", str(key)]
        self.command += ["--project", numbers, "--every", "0.5"]
        self.program: Program | None = None

    def start(self) -> Program:
        self.program = Program(self.command, cwd=self.folder.parent, env=self.env, log=self.log)
        return self.program

    def stop(self) -> list[int]:
        return self.program.stop() if self.program is not None else []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "words"
    folder.mkdir()
    shutil.copy(MODELS / "seed_class.py", folder / "model.py")
    return folder


@pytest.fixture
def agents(folder: Path, studio: Studio) -> Iterator[list[Agent]]:
    running: list[Agent] = []
    yield running
    left = [pid for agent in running for pid in agent.stop()]
    for agent in running:
        print(agent.log.read_text()[-6000:])
    assert not left, f"processes that outlived the agent: {left}"


def listening(program: Program) -> set[str]:
    """Return the TCP addresses that the program or what came of it listens on."""
    inodes = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                inodes[f"socket:[{fields[9]}]"] = fields[1]
    found = set()
    for pid in program.descendants():
        for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                found.add(inodes.get(str(descriptor.readlink()), ""))
            except OSError:
                continue
    return found - {""}


def current(studio: Studio, project: int) -> dict[int, str]:
    """Return what the version that Label Studio shows says of each task."""
    shown = studio.project(project)["model_version"]
    return {one["task"]: chosen(one) for one in studio.predictions(project) if one["model_version"] == shown}


def test_the_tutorials_loop_without_a_way_in(studio: Studio, folder: Path, agents: list[Agent]) -> None:
    project = studio.create_project("pull", CONFIG, show_collab_predictions=True)
    ids = studio.import_tasks(project, [{"text": text} for text in ("red", "green", "red", "green red")])
    with pytest.raises(StudioRefused):
        studio.add_backend(project, "http://localhost:9090")
    agent = Agent(folder, studio, project)
    agents.append(agent)
    program = agent.start()
    wait_until(lambda: current(studio, project) == dict.fromkeys(ids, "a"), "all tasks are predicted")
    assert listening(program) == set()

    studio.annotate(ids[0], choice("b"))
    after = {ids[1]: "a", ids[2]: "b", ids[3]: "b"}
    wait_until(lambda: current(studio, project) == after, "the new version is shown")
    prefilled = {one["task"]: chosen(one) for one in studio.next_task(project)["predictions"]}
    assert prefilled == {ids[1]: "a"}

    agent.stop()
    studio.annotate(ids[1], choice("b"))
    (late,) = studio.import_tasks(project, [{"text": "green"}])
    agent.start()
    wait_until(lambda: current(studio, project).get(late) == "b", "what came meanwhile counts", 120)
    trainings = (folder / "seen.jsonl").read_text().splitlines()
    assert len(trainings) == 2, trainings


def test_annotations_from_before_are_no_news(studio: Studio, folder: Path, agents: list[Agent]) -> None:
    project = studio.create_project("before", CONFIG)
    ids = studio.import_tasks(project, [{"text": text} for text in ("red", "green", "blue")])
    first = studio.annotate(ids[0], choice("b"))
    agent = Agent(folder, studio, project)
    agents.append(agent)
    agent.start()
    wait_until(lambda: current(studio, project) == {ids[1]: "a", ids[2]: "a"}, "the others are predicted")
    assert not (folder / "seen.jsonl").exists()

    studio.call("PATCH", f"/api/annotations/{first}/", json={"result": choice("a")})
    seen = folder / "seen.jsonl"
    wait_until(lambda: seen.exists() and seen.read_text(), "a changed annotation trains")
    assert '"red", "a"' in seen.read_text()


def test_versions_in_a_store_outlive_the_agents_machine(
    studio: Studio, folder: Path, agents: list[Agent], s3: S3Server
) -> None:
    project = studio.create_project("store", CONFIG, show_collab_predictions=True)
    ids = studio.import_tasks(project, [{"text": text} for text in ("red", "green")])
    agent = Agent(folder, studio, project, env={**s3.env, "MODEL_DIR": s3.url})
    agents.append(agent)
    agent.start()
    wait_until(lambda: current(studio, project) == dict.fromkeys(ids, "a"), "all tasks are predicted")
    studio.annotate(ids[0], choice("b"))
    wait_until(lambda: list(s3.objects.glob("versions/*/meta/*.json")), "the version is in the store")
    wait_until(lambda: current(studio, project) == {ids[1]: "a"}, "the new version is shown")
    shown = studio.project(project)["model_version"]

    agent.stop()
    shutil.rmtree(folder / "data")
    (late,) = studio.import_tasks(project, [{"text": "red"}])
    agent.start()
    wait_until(lambda: current(studio, project).get(late) == "b", "the version comes from the store", 120)
    assert studio.project(project)["model_version"] == shown
    assert len((folder / "seen.jsonl").read_text().splitlines()) == 1, "nothing was trained again"
