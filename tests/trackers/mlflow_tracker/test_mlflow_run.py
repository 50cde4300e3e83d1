"""A run in MLflow, by the real client against a stand-in of the server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from label_studio_ml.trackers.delivery import Delivery
from label_studio_ml.trackers.messages import RunDescription, RunResult, TrackerAnswer
from label_studio_ml.trackers.mlflow_tracker import mlflow_run
from label_studio_ml.trackers.mlflow_tracker.local_artifacts import StoredRun, remove_old_files
from label_studio_ml.trackers.mlflow_tracker.mlflow_run import open_run
from label_studio_ml.trackers.tracked_run import Refused, Unavailable
from label_studio_ml.training.metric_history import new_point
from studio.fake import Asked, Reply

from ..mlflow_stand_in import API, MlflowStandIn
from ..packages import package

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


def _description(page: str = "", began: str = "") -> RunDescription:
    tags = {"label_studio_ml.retry_of": "j0"}
    return RunDescription(job="j1", name="project-7-j1", tags=tags, page=page, began=began)


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
            {"time": TIME, "step": 1.4, "a,b": 1},
            {"time": TIME, "step": 2, "a,b": 2},
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


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("/loss", "loss"),
        ("train//loss/", "train/loss"),
        ("../loss", "__/loss"),
        ("a/./b", "a/_/b"),
        ("mAP50(B)", "mAP50_B_"),
        ("é/λ b", "é/λ b"),
        ("", "_"),
        ("//", "_"),
        ("x" * 300, "x" * 250),
        ("x" * 249 + "//y", "x" * 249),
    ],
)
def test_names_are_those_that_mlflow_takes(server: MlflowStandIn, name: str, stored: str) -> None:
    from mlflow.utils.validation import _validate_metric_name

    run = open_run(_description())
    run.log_points([new_point({name: 0.5, "other": 1.0}, 1)])
    run.log_params({name: "a"})
    assert [metric["key"] for metric in server.metrics] == [stored, "other"]
    assert server.params == {stored: "a"}
    _validate_metric_name(stored)


def test_two_processes_that_create_the_run_of_a_job_use_the_older_one(server: MlflowStandIn) -> None:
    searches: list[Asked] = []

    def search(asked: Asked) -> Reply:
        searches.append(asked)
        if len(searches) == 1:
            return Reply.of({"runs": []})
        own = server.runs[0]
        return Reply.of({"runs": [{**own, "info": {**own["info"], "run_id": "r0", "run_uuid": "r0"}}]})

    server.routes[f"{API}/runs/search"] = search
    run = open_run(_description())
    assert run.link.run == "r0"
    assert server.deleted == ["r1"]
    assert "start_time ASC" in json.loads(searches[1].body)["order_by"][0]


def test_a_second_try_of_a_job_continues_its_run(server: MlflowStandIn) -> None:
    open_run(_description()).log_result(RunResult(status="failed", message="disk full"))
    run = open_run(_description())
    assert run.link.run == "r1"
    assert server.statuses == ["FAILED", "RUNNING"]
    assert server.tags["label_studio_ml.message"] == "disk full"
    run.log_result(RunResult(status="killed", version="v1"))
    assert server.statuses[-1] == "KILLED"
    assert server.tags["label_studio_ml.version"] == "v1"


def test_an_earlier_try_that_ends_late_does_not_end_the_run_of_the_later_one(server: MlflowStandIn) -> None:
    earlier = open_run(_description(began="2026-12-01T00:00:01.000+00:00"))
    later = open_run(_description(began="2026-12-01T00:00:02.000+00:00"))
    earlier.log_points([{"time": TIME, "step": 1, "loss": 0.5}])
    earlier.log_result(RunResult(status="killed", message="disk full"))
    assert server.statuses == ["RUNNING"]
    assert "label_studio_ml.message" not in server.tags
    assert [one["value"] for one in server.metrics] == [0.5], "what it has logged is kept"
    later.log_result(RunResult(status="finished", version="v1"))
    assert server.statuses == ["RUNNING", "FINISHED"]


def test_an_earlier_try_that_reaches_mlflow_last_does_not_get_the_run(server: MlflowStandIn) -> None:
    later = open_run(_description(began="2026-12-01T00:00:02.000+00:00"))
    earlier = open_run(_description(began="2026-12-01T00:00:01.000+00:00"))
    later.log_result(RunResult(status="finished", version="v1"))
    earlier.log_result(RunResult(status="killed"))
    assert server.statuses == ["FINISHED"]


def test_the_files_of_the_version_are_artifacts(server: MlflowStandIn, tmp_path: Path) -> None:
    run = open_run(_description())
    folder = tmp_path / "version"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "weights.txt").write_text("w")
    run.log_folder(folder, RunResult(status="finished", version="v1"))
    assert (tmp_path / "artifacts" / "version" / "sub" / "weights.txt").read_text() == "w"


def test_values_that_mlflow_refuses_for_good_are_told_from_an_outage(server: MlflowStandIn) -> None:
    from mlflow.exceptions import MlflowException

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
    with pytest.raises(Unavailable, match=r"later|503"):
        run.log_params({"a": "1"})
    server.routes[f"{API}/runs/log-batch"] = lambda _: Reply(502, b"<html>Bad gateway")
    with pytest.raises(Unavailable, match="502"):
        run.log_params({"a": "1"})
    broken = Reply.of({"error_code": "INTERNAL_ERROR", "message": "a bug"}, 500)
    server.routes[f"{API}/runs/log-batch"] = lambda _: broken
    with pytest.raises(MlflowException, match="500"):
        run.log_params({"a": "1"})


def test_a_run_has_ended_before_its_files_are_stored(server: MlflowStandIn, tmp_path: Path) -> None:
    answers: list[TrackerAnswer] = []
    delivery = Delivery("MLflow", open_run, answers.append, _description())
    delivery.step()
    (tmp_path / "version").mkdir()
    (tmp_path / "artifacts").write_text("a file where MLflow stores files")
    end = RunResult(status="finished", version="v1", folder=str(tmp_path / "version"), max_bytes=1 << 20)
    delivery.end(end)
    delivery.step()
    assert delivery.done
    assert server.statuses == ["FINISHED"]


def test_old_files_that_cannot_be_removed_are_not_taken_for_those_of_the_version(
    server: MlflowStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[TrackerAnswer] = []
    monkeypatch.setattr(mlflow_run, "_is_local", lambda uri: True)
    description = RunDescription(
        job="j1", name="n", tags={"label_studio_ml.project": "7"}, log_dir=str(tmp_path / "logs")
    )
    delivery = Delivery("MLflow", open_run, answers.append, description)
    delivery.step()
    server.routes[f"{API}/runs/search"] = lambda _: Reply.of(
        {"error_code": "BAD_REQUEST", "message": "no"}, 400
    )
    (tmp_path / "version").mkdir()
    (tmp_path / "version" / "weights").write_text("w")
    end = RunResult(
        status="finished", version="v1", folder=str(tmp_path / "version"), max_bytes=1 << 20, versions=["v1"]
    )
    delivery.end(end)
    delivery.step()
    (warning,) = [answer.warning for answer in answers if answer.warning]
    assert warning.startswith("MLflow: the files of earlier versions are not removed: BAD_REQUEST: no")


def test_files_of_old_runs_without_a_version_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "artifacts"
    runs = [StoredRun((folder / f"r {number}" / "artifacts").as_uri(), f"v{number}") for number in range(9)]
    outside = tmp_path / "elsewhere"
    runs += [StoredRun(outside.as_uri(), ""), StoredRun(f"{folder.as_uri()}/../elsewhere", "")]
    runs += [StoredRun("s3://bucket/r", ""), StoredRun((folder / "gone").as_uri(), "")]
    for number in range(9):
        (folder / f"r {number}" / "artifacts" / "version").mkdir(parents=True)
    outside.mkdir()
    remove_old_files(runs, ["v6"], folder)
    kept = sorted(path.parent.name for path in folder.glob("*/artifacts"))
    assert kept == [*(f"r {number}" for number in range(5)), "r 6"]
    assert outside.is_dir()
