"""A real backend whose file of decisions is damaged: it never serves what a person rejected."""

import json
from collections.abc import Iterator

import pytest
import requests

from e2e.processes import wait_until
from label_studio_ml.versions.store.decision_files import COPY, DECISION
from label_studio_ml.versions.store.local_store import VersionStore
from live import FakeStudio, Live, make_live, start_training, uid


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    fake = FakeStudio()
    made = make_live(tmp_path_factory.mktemp("lost") / "backend", fake, "seed_model")
    made.backend.start()
    yield made
    assert not made.backend.stop()
    fake.stop()


def _predict(live: Live, project: int) -> requests.Response:
    body = {
        "tasks": [{"id": 1, "data": {"text": "a"}}],
        "project": uid(project),
        "label_config": "",
        "params": {"context": None},
    }
    return live.post("/predict", body)


def test_a_damaged_decision(live: Live) -> None:
    live.studio.add(1, 1, 2)
    live.setup(1)
    first = live.wait(live.send(start_training(1)))["model_version"]
    second = live.wait(live.send(start_training(1)))["model_version"]
    live.wait_served(1, lambda entry: entry["model_version"] == second)
    assert live.run_command("rollback").returncode == 0
    live.wait_served(1, lambda entry: entry["model_version"] == first)
    folder = VersionStore(live.model_dir).folder(uid(1))
    for name in (DECISION, COPY):
        (folder / name).write_bytes(b"")
    (folder / "changed").write_text("look again")
    log = live.folder / "logs" / "server.log"
    wait_until(lambda: "The decision that was read last stays in force" in log.read_text(), "it is said")
    assert live.predict(1)["model_version"] == first
    assert live.setup(1) == first
    ready = live.backend.url + "/readyz"
    assert "served.json" in requests.get(ready, timeout=10).json()["store"]

    live.backend.kill()
    live.backend.start()
    refused = _predict(live, 1)
    assert refused.status_code == 503, refused.text
    assert "served.json cannot be used: it is empty" in refused.json()["detail"]
    assert "label-studio-ml promote" in refused.json()["detail"]
    answer = requests.get(ready, timeout=10)
    assert "served.json" in answer.json()["store"]
    listed = live.post("/versions", {"project": uid(1)}).json()
    assert {one["state"] for one in listed["details"]} == {"ready"}
    assert listed["model_version"] is None
    assert "served.json" in listed["problem"]
    job = live.send(start_training(1))  # it is kept, and trained on once it is known from which version

    def said() -> bool:
        return "served.json" in str(live.job(job).get("message"))

    wait_until(said, "the job says what it waits for")
    assert [one.name for one in VersionStore(live.model_dir).versions(uid(1))] == [first, second]
    shown = live.run_command("versions")
    assert "served.json cannot be used: it is empty" in shown.stdout
    assert "served.json" in json.loads(live.run_command("versions", "--json").stdout)["problem"]
    assert "served.json" in live.run_command("doctor", "--json").stdout

    promoted = live.run_command("promote", first)
    assert promoted.returncode == 0, promoted.stderr
    live.wait_served(1, lambda entry: entry["model_version"] == first)
    done = live.wait(job)
    assert done["job_status"] == "finished", done
    (third,) = [one for one in VersionStore(live.model_dir).versions(uid(1)) if one.job == job]
    assert third.parent == first


def test_a_file_in_place_of_a_projects_folder(live: Live) -> None:
    live.studio.add(2, 1)
    live.setup(2)
    trained = live.wait(live.send(start_training(2)))["model_version"]
    live.wait_served(2, lambda entry: entry["model_version"] == trained)
    folder = VersionStore(live.model_dir).folder(uid(2))
    away = live.model_dir / "away"
    folder.rename(away)
    folder.write_text("in the way")
    log = live.folder / "logs" / "server.log"
    wait_until(lambda: f"{folder} is a file, not a folder" in log.read_text(), "it is said")
    assert live.predict(2)["model_version"] == trained
    ready = live.backend.url + "/readyz"
    assert f"{folder} is a file" in requests.get(ready, timeout=10).json()["store"]
    job = live.send(start_training(2))  # it is kept, and trained on once the folder is back
    wait_until(lambda: "is a file, not a folder" in str(live.job(job).get("message")), "the job says so")

    live.backend.kill()
    live.backend.start()
    refused = _predict(live, 2)
    assert refused.status_code == 503, refused.text
    assert f"{folder} is a file, not a folder" in refused.json()["detail"]
    assert f"{folder} is a file" in requests.get(ready, timeout=10).json()["store"]
    assert "is a file, not a folder" in live.run_command("versions", "--project", "2").stderr
    assert "is a file, not a folder" in live.run_command("doctor", "--json").stdout
    listed = live.run_command("projects", "--json")
    assert uid(2) in listed.stdout, listed.stderr

    folder.unlink()
    away.rename(folder)
    live.wait_served(2, lambda entry: entry["model_version"] == trained)
    done = live.wait(job)
    assert done["job_status"] == "finished", done
    assert live.post("/versions", {"project": uid(2)}).json()["details"][-1]["name"] == trained
