"""Trainings of a real backend in trackers: what arrives, and that no tracker can harm a training."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from e2e.processes import wait_until
from live import CONFIG, TRAINING, Live, created, texts_below, uid
from studio.fake import Asked, Reply
from trackers.mlflow_stand_in import API, MlflowStandIn
from trackers.packages import package

PASSWORD = "CANARY-mlflow-password"


@pytest.fixture
def mlflow(tmp_path: Path) -> Iterator[MlflowStandIn]:
    package("mlflow")
    server = MlflowStandIn(str(tmp_path / "artifacts"))
    yield server
    server.stop()


def _begin(live: Live, project: int) -> str:
    live.studio.add(project, project * 10, project * 10 + 1)
    live.setup(project)
    return live.send(created(project, project * 10))


def _job_log(live: Live, job: str) -> str:
    return (live.folder / "logs" / "jobs" / f"{job}.log").read_text()


def _login(server: MlflowStandIn) -> str:
    return server.url.replace("://", f"://user:{PASSWORD}@")


def _is_complete(live: Live, job: str) -> bool:
    """Tell whether the job's record has where both trackers have it, and that they lack nothing."""
    trackers = live.job(job).get("trackers", {})
    return len(trackers) == 2 and not any("problem" in tracker for tracker in trackers.values())


def test_a_training_is_in_mlflow_and_tensorboard(launch: Callable[..., Live], mlflow: MlflowStandIn) -> None:
    package("tensorboardX")
    env = {"TRACKER": "mlflow,tensorboard", "MLFLOW_TRACKING_URI": _login(mlflow)}
    live = launch("tracked_model", env=env)
    live.studio.add(7, 70, 71)
    config = CONFIG.replace("<View>", '<View><Header value="http://me:CANARY-config@studio/"/>')
    live.setup(7)
    event = created(7, 70)
    event["project"]["label_config"] = config
    job = live.send(event)
    done = live.wait(job)
    assert done["job_status"] == "finished"
    wait_until(lambda: mlflow.statuses, "the end is in MLflow", every=0.05)
    assert mlflow.statuses == ["FINISHED"]
    wait_until(lambda: not live.processes("tracker_process"), "the files are in MLflow")
    expected = {"job": job, "project": uid(7), "version": done["model_version"], "annotations": "2"}
    assert expected.items() <= mlflow.params.items()
    own = {"rate": "0.5", "epochs": "3", "max_tokens": "5", "source": '"http://…@host/data"'}
    assert own.items() <= mlflow.params.items()
    assert "CANARY" not in json.dumps([mlflow.params, mlflow.tags])
    assert mlflow.params["label_config"].count("http://…@studio/") == 1
    assert "<Choices" in mlflow.params["label_config"]
    assert [(one["step"], one["value"]) for one in mlflow.metrics if one["key"] == "loss"] == [
        (0, 1.0),
        (1, 0.5),
        (2, pytest.approx(1 / 3)),
    ]
    assert [one["value"] for one in mlflow.metrics if one["key"] == "accuracy"] == [0.75]
    files = live.folder.parent / "artifacts" / "version"
    assert (files / "weights.txt").read_text() == "w"
    assert json.loads((files / "manifest.json").read_text())["job"] == job, (
        "the files of the committed version"
    )
    wait_until(lambda: _is_complete(live, job), "the links are in the record", every=0.05)
    record = live.job(job)["trackers"]
    assert record["mlflow"] == {"url": f"{mlflow.url}/#/experiments/3/runs/r1"}
    folder = Path(record["tensorboard"]["place"])
    assert folder == live.folder / "logs" / "tensorboard" / f"project-7-{job}"
    assert list(folder.glob("events.out.tfevents.*"))
    listed = live.run_command("jobs").stdout
    assert f"MLflow: {mlflow.url}/#/experiments/3/runs/r1" in listed
    secrets = [PASSWORD.encode(), b"CANARY-param-key"]
    below = texts_below(live.folder)
    assert [
        path
        for path, text in below.items()
        if path.suffix not in (".py", ".pyc") and any(one in text for one in secrets)
    ] == []


@pytest.mark.parametrize(
    "what", [*(pytest.param(what, marks=pytest.mark.soak) for what in ("unreachable", "refuses")), "hangs"]
)
def test_a_tracker_that_does_not_work_harms_no_training(
    launch: Callable[..., Live], mlflow: MlflowStandIn, what: str
) -> None:
    url = _login(mlflow)
    if what == "unreachable":
        url = f"http://user:{PASSWORD}@127.0.0.1:1"
    elif what == "refuses":
        mlflow.routes = {path: lambda _: Reply.of({"message": "no"}, 403) for path in mlflow.routes}
    else:

        def hang(asked: Asked) -> Reply:
            time.sleep(60)
            return Reply.of({})

        mlflow.routes = dict.fromkeys(mlflow.routes, hang)
    env = {"TRACKER": "mlflow", "MLFLOW_TRACKING_URI": url, "MLFLOW_HTTP_REQUEST_TIMEOUT": "1"}
    live = launch("tracked_model", env={**env, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"})
    job = _begin(live, 7)
    done = live.wait(job)
    assert done["job_status"] == "finished", done
    assert done["model_version"]
    wait_until(lambda: "[label-studio-ml: MLflow: " in _job_log(live, job), "a warning is in the log")
    (line,) = [line for line in _job_log(live, job).splitlines() if "MLflow" in line]
    assert "the training goes on" in line
    wait_until(lambda: line in "\n".join(_lines(live, job)), "the warning can be followed")
    wait_until(lambda: "fix" in live.job(job)["trackers"]["mlflow"], "the record says what is missing")
    record = live.job(job)["trackers"]["mlflow"]
    assert record["missing"] == "everything"
    assert record["fix"].startswith("Check that MLflow runs, MLFLOW_TRACKING_URI and its login.")
    assert f"MLflow lacks this training: {record['problem']}" in live.run_command("jobs").stdout
    assert PASSWORD.encode() not in b"".join(texts_below(live.folder).values())
    for pid in live.processes("tracker_process"):  # it goes on for a minute
        os.kill(pid, signal.SIGKILL)


def test_a_tracker_that_ends_during_a_training_lacks_a_part_of_it(
    launch: Callable[..., Live], mlflow: MlflowStandIn
) -> None:
    env = {"TRACKER": "mlflow", "MLFLOW_TRACKING_URI": mlflow.url, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    live = launch("tracked_model", env=env)
    live.control(7).close_gate()
    job = _begin(live, 7)
    wait_until(lambda: "url" in live.job(job).get("trackers", {}).get("mlflow", {}), "the run is in MLflow")
    mlflow.end_connections()
    mlflow.stop()
    live.control(7).open_gate()
    assert live.wait(job)["job_status"] == "finished"
    refused = f"{mlflow.url} cannot be reached: Connection refused"  # after the connection that broke off
    wait_until(
        lambda: live.job(job)["trackers"]["mlflow"].get("problem", "").startswith(refused),
        "the record says what is missing",
    )
    record = live.job(job)["trackers"]["mlflow"]
    assert record["missing"] == "part"
    assert record["url"].startswith(mlflow.url)
    assert record["fix"].startswith("Check that MLflow runs, MLFLOW_TRACKING_URI and its login.")
    assert f"MLflow lacks a part of this training: {record['problem']}" in live.run_command("jobs").stdout
    for pid in live.processes("tracker_process"):  # it goes on for two minutes
        os.kill(pid, signal.SIGKILL)


def _lines(live: Live, job: str) -> list[str]:
    return list(requests.get(f"{live.backend.url}/jobs/{job}/log?after=0", timeout=30).json()["lines"])


def test_a_missing_package_is_said_in_the_log(launch: Callable[..., Live], tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "wandb.py").write_text("raise ModuleNotFoundError('No module named wandb', name='wandb')")
    live = launch("tracked_model", env={"TRACKER": "wandb"}, paths=[hidden])
    job = _begin(live, 7)
    assert live.wait(job)["job_status"] == "finished"
    warning = "[label-studio-ml: Weights & Biases: its package wandb is not installed: pip install wandb]"
    wait_until(lambda: warning in _job_log(live, job), "the warning is in the log")
    wait_until(lambda: "fix" in live.job(job)["trackers"]["wandb"], "the record says so")
    assert live.job(job)["trackers"]["wandb"]["fix"].startswith("pip install wandb.")


def test_a_cancelled_training_is_killed_and_has_no_files(
    launch: Callable[..., Live], mlflow: MlflowStandIn
) -> None:
    env = {"TRACKER": "mlflow", "MLFLOW_TRACKING_URI": mlflow.url, "CANCEL_GRACE": "0.1"}
    live = launch("tracked_model", env=env)
    live.control(7).close_gate()
    job = _begin(live, 7)
    live.control(7).wait_for_fit()
    assert live.post(f"/jobs/{job}/cancel", {}).status_code == 202
    assert live.wait(job)["job_status"] == "cancelled"
    wait_until(lambda: mlflow.statuses, "the end is in MLflow", every=0.05)
    assert mlflow.statuses == ["KILLED"]
    assert "version" not in mlflow.params
    assert not (live.folder.parent / "artifacts").exists()


def test_a_crash_fails_its_run_and_the_next_job_has_a_marked_one(
    launch: Callable[..., Live], mlflow: MlflowStandIn
) -> None:
    runs: list[dict[str, str]] = []
    search = mlflow.routes[f"{API}/runs/search"]
    create = mlflow.routes[f"{API}/runs/create"]

    def created_run(asked: Asked) -> Reply:
        answer = create(asked)
        runs.append({tag["key"]: tag["value"] for tag in json.loads(asked.body)["tags"]})
        return answer

    def none_of_it(asked: Asked) -> Reply:
        wanted = json.loads(asked.body)["filter"]
        return search(asked) if runs and runs[-1]["label_studio_ml.job"] in wanted else Reply.of({"runs": []})

    mlflow.routes |= {f"{API}/runs/create": created_run, f"{API}/runs/search": none_of_it}
    live = launch("tracked_model", env={"TRACKER": "mlflow", "MLFLOW_TRACKING_URI": mlflow.url})
    live.control(7).close_gate()
    job = _begin(live, 7)
    live.control(7).wait_for_fit()
    wait_until(lambda: runs, "the first run is there", every=0.05)
    live.kill(TRAINING)
    assert live.wait(job)["job_status"] == "interrupted"
    live.control(7).open_gate()
    wait_until(lambda: len(runs) == 2 and mlflow.statuses[-1:] == ["FINISHED"], "the second run has ended")
    assert mlflow.statuses[0] == "FAILED"
    assert runs[1]["label_studio_ml.retry_of"] == job
    assert runs[1]["label_studio_ml.attempt"] == "2"
    assert "label_studio_ml.retry_of" not in runs[0]


def test_without_trackers_there_is_no_process_and_no_field(launch: Callable[..., Live]) -> None:
    live = launch("tracked_model")
    live.control(7).close_gate()
    job = _begin(live, 7)
    live.control(7).wait_for_fit()
    assert live.processes("tracker_process") == []
    live.control(7).open_gate()
    assert "trackers" not in live.wait(job)
