"""A run in MLflow, by the real client against a stand-in of the server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from label_studio_ml.trackers.messages import RunDescription, RunResult
from label_studio_ml.trackers.mlflow_run import open_run
from label_studio_ml.trackers.tracked_run import Refused
from studio.fake import Asked, Reply

from .mlflow_stand_in import API, MlflowStandIn
from .packages import package

TIME = "2026-12-01T00:00:00.500+00:00"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MlflowStandIn]:
    package("mlflow")
    server = MlflowStandIn(str(tmp_path / "artifacts"))
    login = server.url.replace("://", "://user:CANARY-password@")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", login)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    yield server
    server.stop()


def _description(page: str = "") -> RunDescription:
    tags = {"label_studio_ml.retry_of": "j0"}
    return RunDescription(job="j1", name="project-7-j1", tags=tags, page=page)


def test_a_run_has_a_name_tags_and_a_link_without_login(server: MlflowStandIn) -> None:
    run = open_run(_description())
    (created,) = [asked for asked in server.asked if asked.path.endswith("runs/create")]
    assert json.loads(created.body)["run_name"] == "project-7-j1"
    assert server.tags["label_studio_ml.job"] == "j1"
    assert server.tags["label_studio_ml.retry_of"] == "j0"
    assert run.link.url == f"{server.url}/#/experiments/3/runs/r1"
    assert created.authorization is not None, "the login of the URL is used"


def test_the_page_of_the_settings_is_the_one_in_the_link(server: MlflowStandIn) -> None:
    run = open_run(_description(page="https://mlflow.example.com/ui"))
    assert run.link.url == "https://mlflow.example.com/ui/#/experiments/3/runs/r1"


def test_params_and_points_are_stored_with_names_that_mlflow_allows(server: MlflowStandIn) -> None:
    run = open_run(_description())
    run.log_params({"label_config": "<View/>" * 2000, "my param?": "1"})
    run.log_params({"my param?": "2"})
    run.log_points(
        [
            {"time": TIME, "step": 3, "loss": 0.5, "nothing": None},
            {"time": TIME, "a,b": 1},
            {"time": TIME, "a,b": 2},
        ]
    )
    assert server.params["my param_"] == "1", "MLflow allows no change of a parameter"
    assert len(server.params["label_config"]) == 6000
    assert [(one["key"], one["value"], one["step"]) for one in server.metrics] == [
        ("loss", 0.5, 3),
        ("a_b", 1, 1),
        ("a_b", 2, 2),
    ]
    assert server.metrics[0]["timestamp"] == 1796083200500


def test_a_second_try_of_a_job_continues_its_run(server: MlflowStandIn) -> None:
    open_run(_description()).finish(RunResult(status="failed", message="disk full"))
    run = open_run(_description())
    assert run.link.run == "r1"
    assert server.statuses == ["FAILED", "RUNNING"]
    assert server.tags["label_studio_ml.message"] == "disk full"
    run.finish(RunResult(status="killed", version="v1"))
    assert server.statuses[-1] == "KILLED"
    assert server.tags["label_studio_ml.version"] == "v1"


def test_the_files_of_the_version_are_artifacts(server: MlflowStandIn, tmp_path: Path) -> None:
    run = open_run(_description())
    folder = tmp_path / "version"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "weights.txt").write_text("w")
    run.log_folder(folder, RunResult(status="finished", version="v1"))
    assert (tmp_path / "artifacts" / "version" / "sub" / "weights.txt").read_text() == "w"


def test_values_that_mlflow_refuses_for_good_are_told_from_an_outage(server: MlflowStandIn) -> None:
    run = open_run(_description())
    answers = [
        Reply.of({"error_code": "INVALID_PARAMETER_VALUE", "message": "no"}, 400),
        Reply.of({"error_code": "TEMPORARILY_UNAVAILABLE", "message": "later"}, 503),
    ]

    def answer(asked: Asked) -> Reply:
        return answers.pop(0)

    server.routes[f"{API}/runs/log-batch"] = answer
    with pytest.raises(Refused, match="no"):
        run.log_params({"a": "1"})
    with pytest.raises(Exception, match=r"later|503") as raised:
        run.log_params({"a": "1"})
    assert not isinstance(raised.value, Refused)
