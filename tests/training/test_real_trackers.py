"""Trainings of a real backend in a real MLflow server, and in runs of Weights & Biases that are read back."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from e2e.processes import free_port, wait_until
from live import Live, created, uid
from trackers.packages import package
from trackers.real_servers import mlflow_server, trackers_environment

pytestmark = pytest.mark.soak

READ_WANDB = Path(__file__).parent.parent / "trackers" / "read_wandb_file.py"


def _train(live: Live, project: int) -> dict[str, Any]:
    live.studio.add(project, project * 10, project * 10 + 1)
    live.setup(project)
    done = live.wait(live.send(created(project, project * 10)))
    assert done["job_status"] == "finished", done
    return done


def _has_places(live: Live, job: str) -> bool:
    """Tell whether the job's record says where its trackers have it."""
    return any("place" in tracker for tracker in live.job(job).get("trackers", {}).values())


def test_a_training_is_in_a_real_mlflow(launch: Callable[..., Live], tmp_path: Path) -> None:
    package("mlflow")
    with mlflow_server(tmp_path / "mlflow") as (url, _):
        live = launch("tracked_model", env={"TRACKER": "mlflow", "MLFLOW_TRACKING_URI": url})
        done = _train(live, 7)
        api = f"{url}/api/2.0/mlflow"

        def runs() -> list[dict[str, Any]]:
            body = {"experiment_ids": ["1"], "filter": "attributes.status = 'FINISHED'"}
            return list(requests.post(f"{api}/runs/search", json=body, timeout=60).json().get("runs", []))

        (run,) = wait_until(runs, "the run has ended in MLflow", 300.0)
        info, data = run["info"], run["data"]
        assert info["run_name"] == f"project-7-{done['job']}"
        assert live.job(done["job"])["trackers"] == {
            "mlflow": {"url": f"{url}/#/experiments/1/runs/{info['run_id']}"}
        }
        params = {param["key"]: param["value"] for param in data["params"]}
        expected = {"project": uid(7), "version": done["model_version"], "annotations": "2", "epochs": "3"}
        assert expected.items() <= params.items()
        query = {"run_id": info["run_id"], "metric_key": "loss"}
        history = requests.get(f"{api}/metrics/get-history", params=query, timeout=60).json()["metrics"]
        assert [(int(one.get("step", 0)), one["value"]) for one in history][:2] == [(0, 1.0), (1, 0.5)]
        query = {"run_id": info["run_id"], "path": "version"}
        files = requests.get(f"{api}/artifacts/list", params=query, timeout=60).json()["files"]
        assert {"version/weights.txt", "version/manifest.json"} <= {file["path"] for file in files}


def test_a_training_goes_on_when_a_real_mlflow_ends(launch: Callable[..., Live], tmp_path: Path) -> None:
    """The rest arrives if MLflow is back in time; until then, the record says what is missing."""
    package("mlflow")
    folder, port = tmp_path / "mlflow", free_port()
    with mlflow_server(folder, port) as (url, stop):
        live = launch("tracked_model", env={"TRACKER": "mlflow", "MLFLOW_TRACKING_URI": url})
        live.control(7).close_gate()
        live.studio.add(7, 70, 71)
        live.setup(7)
        job = live.send(created(7, 70))
        wait_until(
            lambda: "url" in live.job(job).get("trackers", {}).get("mlflow", {}), "the run is there", 300.0
        )
        stop()
        live.control(7).open_gate()
        assert live.wait(job)["job_status"] == "finished"
        wait_until(
            lambda: "fix" in live.job(job)["trackers"]["mlflow"], "the record says what is missing", 120.0
        )
    record = live.job(job)["trackers"]["mlflow"]
    assert record["missing"] == "part"
    assert record["problem"].startswith(f"{url} cannot be reached: Connection refused")
    assert record["problem"] in live.run_command("jobs").stdout
    with mlflow_server(folder, port):
        wait_until(
            lambda: live.job(job)["trackers"]["mlflow"] == {"url": record["url"]}, "all arrives", 300.0
        )
        wait_until(lambda: not live.processes("tracker_process"), "all is delivered", 300.0)
        run = record["url"].rpartition("/")[2]
        answer = requests.get(f"{url}/api/2.0/mlflow/runs/get", params={"run_id": run}, timeout=60).json()[
            "run"
        ]
    assert answer["info"]["status"] == "FINISHED"


@pytest.mark.parametrize("page", ["mlflow", "#/experiments/1"])
def test_a_wrong_path_of_a_real_mlflow_is_said(
    launch: Callable[..., Live], tmp_path: Path, page: str
) -> None:
    package("mlflow")
    with mlflow_server(tmp_path / "mlflow") as (url, _):
        live = launch("tracked_model", env={"TRACKER": "mlflow", "MLFLOW_TRACKING_URI": f"{url}/{page}"})
        done = _train(live, 7)
        wait_until(lambda: "fix" in live.job(done["job"])["trackers"]["mlflow"], "the record says so", 120.0)
        record = live.job(done["job"])["trackers"]["mlflow"]
    assert record["missing"] == "everything"
    assert record["fix"].startswith("Set MLFLOW_TRACKING_URI")
    for pid in live.processes("tracker_process"):  # it goes on for two minutes
        os.kill(pid, signal.SIGKILL)


def test_a_database_of_mlflow_is_made_without_a_server(launch: Callable[..., Live]) -> None:
    env = {"TRACKER": "mlflow", "LABEL_STUDIO_ML_PYTHON": str(trackers_environment() / "bin" / "python")}
    live = launch("tracked_model", env=env)
    done = _train(live, 7)
    wait_until(lambda: _has_places(live, done["job"]), "the run is in the database", 300.0)
    database = live.folder / "logs" / "mlflow" / "mlflow.db"
    assert live.job(done["job"])["trackers"]["mlflow"]["place"] == f"sqlite:///{database}"
    wait_until(lambda: not live.processes("tracker_process"), "all is delivered", 300.0)
    assert list((live.folder / "logs" / "mlflow" / "artifacts").rglob("weights.txt"))


def test_a_training_is_in_an_offline_run_of_weights_and_biases(launch: Callable[..., Live]) -> None:
    python = trackers_environment() / "bin" / "python"
    live = launch("tracked_model", env={"TRACKER": "wandb", "LABEL_STUDIO_ML_PYTHON": str(python)})
    done = _train(live, 7)
    wait_until(lambda: _has_places(live, done["job"]), "the run is there", 300.0)
    folder = Path(live.job(done["job"])["trackers"]["wandb"]["place"])
    assert folder.parent == live.folder / "logs" / "wandb"
    wait_until(lambda: not live.processes("tracker_process"), "all is delivered", 300.0)
    (file,) = folder.glob("run-*.wandb")
    output = subprocess.run(
        [python, READ_WANDB, file], check=True, capture_output=True, text=True, timeout=120
    ).stdout
    found = json.loads(output.splitlines()[-1])
    losses = [(point.get("step"), point["loss"]) for point in found["metrics"] if "loss" in point]
    assert losses[:2] == [(0, 1), (1, 0.5)]
    assert found["config"]["epochs"] == "3"
    assert found["config"]["version"] == done["model_version"]
    assert found["summary"]["status"] == "finished"
    assert found["exit"] == [0]
    ((name, paths),) = found["artifacts"]
    assert name == f"version-{done['model_version']}"
    assert {"weights.txt", "manifest.json"} <= set(paths)
