"""Which version real processes serve: after trainings, and after what people decide beside a running backend."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from e2e.backend import CLI
from e2e.processes import wait_until
from label_studio_ml.versions.store.local_store import VersionStore
from live import FakeStudio, Live, created, make_live, start_training, uid

LOGIN = ("user", "secret")


@pytest.fixture(scope="module")
def studio() -> Iterator[FakeStudio]:
    fake = FakeStudio()
    yield fake
    fake.stop()


def _backend(folder: Path, studio: FakeStudio, model: str, **options: Any) -> Iterator[Live]:
    live = make_live(folder / "backend", studio, model, **options)
    live.backend.start()
    yield live
    assert not live.backend.stop()


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory, studio: FakeStudio) -> Iterator[Live]:
    env = {"PROMOTE_IF": "tasks >= current"}
    yield from _backend(tmp_path_factory.mktemp("gated"), studio, "seed_model", env=env, auth=LOGIN)


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory, studio: FakeStudio) -> Iterator[Live]:
    env = {"KEEP_VERSIONS": "2"}
    yield from _backend(tmp_path_factory.mktemp("kept"), studio, "event_model", env=env)


def _train(live: Live, project: int, *numbers: int) -> dict[str, Any]:
    """Train on the tasks with these numbers, and return the job's record."""
    live.studio.tasks[project] = {}
    live.studio.add(project, *numbers)
    job = live.wait(live.send(start_training(project)))
    assert job["job_status"] == "finished", job
    return job


def _served(live: Live, project: int, version: str) -> None:
    """Wait until predictions and /setup tell this version, and its own weights answer."""
    entry = live.wait_served(project, lambda entry: entry["model_version"] == version)
    assert live.setup(project) == version
    (found,) = [one for one in VersionStore(live.model_dir).history(uid(project)) if one.name == version]
    assert entry["seen"]["output"] == found.train_output


def _command(live: Live, *words: str) -> str:
    """Run the command line beside the backend."""
    name, *rest = words
    done = subprocess.run(
        [*CLI, name, live.folder.name, *rest],
        cwd=live.folder.parent,
        env=live.backend.env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _shortened(name: str, other: str) -> str:
    """The first letters of a version's name that tell it from the other one: both may be of one second."""
    return next(name[:end] for end in range(1, len(name)) if not other.startswith(name[:end]))


def _details(live: Live, project: int) -> dict[str, dict[str, Any]]:
    answer = live.post("/versions", {"project": uid(project)})
    assert answer.status_code == 200, answer.text
    return {entry["name"]: entry for entry in answer.json()["details"]}


def test_the_gate_and_what_people_decide(seed: Live) -> None:
    project = 1
    seed.studio.add(project, 1)
    seed.setup(project)
    first = _train(seed, project, 1, 2)["model_version"]
    _served(seed, project, first)

    worse = _train(seed, project, 1)
    assert worse["held_back"] == "tasks is 1, not >= 2 (the served version has 2)"
    equal = _train(seed, project, 1, 2)  # a new version is served by now: the one before it never was
    assert "held_back" not in equal
    _served(seed, project, equal["model_version"])
    loaded = (seed.folder / "logs" / "server.log").read_text()
    assert f"version {first} is loaded" in loaded
    assert f"version {worse['model_version']} is loaded" not in loaded

    details = _details(seed, project)
    assert details[worse["model_version"]]["state"] == "held back"
    assert details[worse["model_version"]]["note"] == worse["held_back"]
    assert details[worse["model_version"]]["metrics"] == {"tasks": 1}
    third = details[equal["model_version"]]
    assert (third["state"], third["parent"], third["annotations"]) == ("served", first, 2)
    assert third["size"] == len("2 tasks") or third["size"] > 0

    assert f"version {first} instead of {third['name']}" in _command(seed, "rollback")
    _served(seed, project, first)
    answer = seed.post("/versions/promote", {"project": str(project), "version": worse["model_version"]})
    assert answer.json() == {"status": "ok", "model_version": worse["model_version"]}
    _served(seed, project, worse["model_version"])
    assert _train(seed, project, 1)["model_version"]  # not worse than what is served: a training moves on
    assert _details(seed, project)[worse["model_version"]]["state"] == "ready"


def test_a_pinned_version_stays_through_a_training_and_a_restart(seed: Live) -> None:
    project = 2
    seed.studio.add(project, 1)
    seed.setup(project)
    first = _train(seed, project, 1)["model_version"]
    second = _train(seed, project, 1, 2)["model_version"]
    _served(seed, project, second)
    _command(seed, "promote", _shortened(first, second), "--pin", "--project", str(project))
    _served(seed, project, first)
    third = _train(seed, project, 1, 2, 3)["model_version"]
    assert _details(seed, project)[third]["parent"] == first
    seed.backend.kill()
    seed.backend.start()
    _served(seed, project, first)
    assert (_details(seed, project)[first]["pinned"], _details(seed, project)[third]["state"]) == (
        True,
        "ready",
    )
    assert seed.post("/versions/unpin", {"project": uid(project)}).json()["model_version"] == third
    _served(seed, project, third)


def test_a_damaged_version_is_not_served(seed: Live) -> None:
    project = 3
    seed.studio.add(project, 1)
    seed.setup(project)
    first = _train(seed, project, 1)["model_version"]
    second = _train(seed, project, 1, 2)["model_version"]
    _served(seed, project, second)
    seed.backend.kill()
    (VersionStore(seed.model_dir).folder(uid(project), second) / "weights.txt").write_text("cut")
    seed.backend.start()
    _served(seed, project, first)
    assert f"version {second} is damaged and not served: weights.txt has 3 bytes" in seed.backend.output()
    third = _train(seed, project, 1, 2)["model_version"]
    _served(seed, project, third)
    assert _details(seed, project)[third]["parent"] == first


def test_a_version_that_does_not_load_is_said_and_tried_again_when_promoted(seed: Live) -> None:
    project = 4
    seed.studio.add(project, 1)
    seed.setup(project)
    first = _train(seed, project, 1)["model_version"]
    _served(seed, project, first)
    bad = seed.control(project).folder / "bad"
    bad.write_text("2 tasks")
    second = _train(seed, project, 1, 2)["model_version"]
    wait_until(lambda: _details(seed, project)[second]["state"] == "failed to load", "it has failed to load")
    assert "told not to load" in _details(seed, project)[second]["note"]
    assert seed.predict(project)["model_version"] == first
    bad.unlink()
    _command(seed, "promote", second, "--project", str(project))
    _served(seed, project, second)


@pytest.mark.parametrize(
    ("path", "fields", "status", "said"),
    [
        ("promote", {"project": "77.7", "version": "x"}, 404, "77.7"),
        ("promote", {"version": "x"}, 400, "project"),
        ("promote", {"project": "5"}, 400, "version must be the name or id"),
        ("promote", {"project": "5", "version": "x", "pin": "yes"}, 400, "pin must be true or false"),
        ("promote", {"project": "5", "version": "x"}, 404, "There is no version 'x'"),
        ("rollback", {"project": "5"}, 400, "nothing to roll back"),
        ("rollback", {}, 400, "project"),
    ],
)
def test_what_cannot_be_done(seed: Live, path: str, fields: dict[str, Any], status: int, said: str) -> None:
    seed.setup(5)
    answer = seed.post(f"/versions/{path}", fields)
    assert (answer.status_code, said in answer.json()["detail"]) == (status, True), answer.text


@pytest.mark.parametrize("path", ["promote", "rollback", "unpin"])
def test_deciding_needs_the_login(seed: Live, path: str) -> None:
    answer = seed.post(f"/versions/{path}", {"project": "1", "version": "x"}, login=False)
    assert answer.status_code == 401
    assert requests.get(f"{seed.backend.url}/versions/{path}", auth=LOGIN, timeout=30).status_code == 405


def test_pairs_of_an_event_class_follow_and_old_versions_go(listener: Live) -> None:
    project = 1
    listener.studio.add(project, 1)
    listener.setup(project)
    for number in (1, 2, 3, 4):
        listener.wait(listener.send(created(project, number)))
    listener.wait_served(project, lambda entry: (entry["model_version"], entry["seen"]) == ("1.0.4", "4"))
    assert [one.name for one in VersionStore(listener.model_dir).versions(uid(project))] == ["1.0.3", "1.0.4"]
    _command(listener, "rollback")
    listener.wait_served(project, lambda entry: (entry["model_version"], entry["seen"]) == ("1.0.3", "3"))
    job = listener.wait(listener.send(created(project, 5)))
    assert job["model_version"] == "1.0.4-2"
    listener.wait_served(project, lambda entry: (entry["model_version"], entry["seen"]) == ("1.0.4-2", "4"))


def test_the_environment_pins(listener: Live) -> None:
    project = 2
    listener.studio.add(project, 1)
    listener.setup(project)
    for number in (1, 2):
        listener.wait(listener.send(created(project, number)))
    listener.wait_served(project, lambda entry: entry["model_version"] == "1.0.2")
    listener.backend.stop()
    listener.backend.env["MODEL_VERSION"] = "1.0.1"
    listener.backend.start()
    try:
        listener.wait_served(project, lambda entry: entry["model_version"] == "1.0.1")
        listener.wait(listener.send(created(project, 3)))
        assert listener.predict(project)["model_version"] == "1.0.1"
        answer = listener.post("/versions/rollback", {"project": uid(project)})
        assert (answer.status_code, "MODEL_VERSION" in answer.text or "nothing" in answer.text) == (400, True)
    finally:
        listener.backend.stop()
        del listener.backend.env["MODEL_VERSION"]
        listener.backend.start()
