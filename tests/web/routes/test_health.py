"""Probes, metrics and request ids of a running server."""

import json
import os
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from e2e.processes import free_port, wait_until
from label_studio_ml.config.settings import Settings
from label_studio_ml.connect.backend_client import BackendView
from label_studio_ml.doctor import server
from label_studio_ml.doctor.context import Context
from label_studio_ml.monitoring.counters import Counts
from label_studio_ml.serving.registry.model_registry import ModelRegistry
from label_studio_ml.web.routes import health as health_module
from label_studio_ml.web.routes.health import Health
from label_studio_ml.web.threads import Threads
from live import CONFIG, Live, created, start_training, task, uid
from redis_server import MakeRedis, make_redis
from runtime.conftest import make, studio

__all__ = ["make", "make_redis", "studio"]

Make = Callable[..., Live]

IMPATIENT = Path(__file__).resolve().parents[2] / "data" / "impatient"
DASHBOARD = Path(__file__).resolve().parents[3] / "deploy" / "grafana" / "dashboard.json"


def _get(live: Live, path: str, **options: Any) -> requests.Response:
    return requests.get(f"{live.backend.url}{path}", timeout=30, **options)


def _samples(live: Live) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    answer = _get(live, "/metrics", auth=live.auth)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def _sample(live: Live, name: str, **labels: str) -> float:
    return _samples(live).get((f"label_studio_ml_{name}", frozenset(labels.items())), 0.0)


def test_the_probes_ask_for_no_login_and_metrics_do(make: Make) -> None:
    live = make(auth=("me", "secret"))
    live.backend.start()
    assert _get(live, "/livez").json()["status"] == "UP"
    wait_until(lambda: _get(live, "/readyz").status_code == 200, "it is ready")
    ready = {"status": "READY", "model": "ok", "store": "ok", "broker": "ok"}
    wait_until(lambda: _get(live, "/readyz").json() == ready, "each part is")
    assert _get(live, "/metrics").status_code == 401
    assert _get(live, "/health").status_code == 401


def test_what_is_counted(make: Make) -> None:
    live = make()
    live.studio.add(1, 11)
    live.backend.start()
    live.setup(1)
    body = {"tasks": [task(1), task(2)], "project": uid(1), "label_config": CONFIG, "params": None}
    for _ in range(3):
        assert live.post("/predict", body).status_code == 200
    _get(live, "/some/path"), _get(live, "/another")
    assert _sample(live, "requests_total", route="/predict", status="200") == 3
    assert _sample(live, "requests_total", route="other", status="404") == 2
    assert _sample(live, "request_seconds_count", route="/predict") == 3
    assert _sample(live, "request_seconds_sum", route="/predict") > 0
    assert _sample(live, "predicted_tasks_total") == 6
    calls = _sample(live, "batch_tasks_count")
    assert _sample(live, "batch_tasks_sum") == 6, calls
    assert _sample(live, "served_version_info", project=uid(1), version="INITIAL") == 1
    assert _sample(live, "model_processes") == 1
    assert _sample(live, "training_runs_total", outcome="finished") == 0
    done = live.wait(live.send(start_training(1)))
    version = live.wait_served(1, lambda entry: entry["model_version"] == done["model_version"])[
        "model_version"
    ]
    wait_until(lambda: _sample(live, "training_runs_total", outcome="finished") == 1, "the run is counted")
    assert _sample(live, "served_version_info", project=uid(1), version=version) == 1
    assert _sample(live, "served_version_info", project=uid(1), version="INITIAL") == 0
    assert _sample(live, "events_total") == 1
    for part in ("model", "store", "broker"):
        assert _sample(live, "up", part=part) == 1
    live.kill("model_process")
    wait_until(lambda: _sample(live, "model_restarts_total") == 1, "the restart is counted")


def test_trainings_that_wait_and_fail_are_counted(make: Make) -> None:
    live = make()
    live.studio.add(1, 11)
    live.backend.start()
    live.setup(1)
    live.control(1).close_gate()
    live.control(1).do("raise")
    job = live.send(start_training(1))
    live.control(1).wait_for_fit()
    live.send(start_training(1))
    wait_until(lambda: _sample(live, "backlog_events") == 2, "both events wait for an outcome")
    assert _sample(live, "workers") == 1
    live.control(1).open_gate()
    assert live.wait(job)["job_status"] == "failed"
    wait_until(lambda: _sample(live, "training_runs_total", outcome="failed") == 2, "both failed")
    wait_until(lambda: _sample(live, "backlog_events") == 0, "none is left")


def test_a_server_whose_redis_never_came_is_not_ready_but_predicts(make: Make) -> None:
    live = make(env={"REDIS_URL": f"redis://localhost:{free_port()}/0"})
    live.backend.command = "serve"
    live.backend.start()
    live.setup(1)
    assert live.predict(1)["model_version"] == "INITIAL"
    wait_until(lambda: "Redis cannot be reached" in _get(live, "/readyz").json()["broker"], "it says why")
    answer = _get(live, "/readyz")
    assert answer.status_code == 503
    assert (answer.json()["model"], answer.json()["store"]) == ("ok", "ok")
    assert _sample(live, "up", part="broker") == 0
    assert _sample(live, "errors_total", part="broker") >= 1


def test_a_spool_that_cannot_be_written_to_is_said_while_redis_is_there(make: Make) -> None:
    live = make()
    live.backend.start()
    assert "spool" not in _get(live, "/readyz").json()
    (live.model_dir / "spool").write_text("in the way")
    said = wait_until(lambda: _get(live, "/readyz").json().get("spool", ""), "it is said")
    assert f"{live.model_dir / 'spool'} is a file, not a folder" in said
    (live.model_dir / "spool").unlink()
    wait_until(lambda: "spool" not in _get(live, "/readyz").json(), "all is well again")


def test_without_the_login_a_probe_says_only_which_part_fails_and_a_full_spool_is_said(make: Make) -> None:
    port = free_port()
    live = make(auth=("me", "secret"), env={"REDIS_URL": f"redis://localhost:{port}/0", "SPOOL_EVENTS": "2"})
    live.backend.command = "serve"
    live.backend.start()
    live.setup(1)
    for number in (1, 2):
        assert live.post("/webhook", created(1, number)).status_code == 201
    refused = live.post("/webhook", created(1, 3))
    assert (refused.status_code, "SPOOL_EVENTS" in refused.json()["detail"]) == (503, True)
    wait_until(lambda: "spool" in _get(live, "/readyz").json(), "the full spool is said")
    wait_until(lambda: _get(live, "/readyz").json()["broker"] != "ok", "so is the Redis that is away")
    for auth in (None, ("me", "wrong")):
        said = _get(live, "/readyz", auth=auth).json()
        assert {said["broker"], said["spool"]} == {"failing"}
        assert str(port) not in str(said)
    said = _get(live, "/readyz", auth=live.auth).json()
    assert f"localhost:{port}" in said["broker"]
    assert said["spool"].startswith("2 events wait")
    assert _sample(live, "refused_events_total") == 1
    assert _sample(live, "spool_events") == 2
    assert _sample(live, "spool_bytes") > 200


@pytest.mark.anyio
@pytest.mark.parametrize("hanging", ["spool", "store", "broker"])
async def test_the_part_that_does_not_answer_is_named(
    hanging: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()

    def answer(part: str) -> str:
        if part == hanging:
            release.wait(60)
        return ""

    registry = SimpleNamespace(problem=str)
    intake = SimpleNamespace(stall=None, figures=lambda: answer("broker"))
    store = SimpleNamespace(write_problem="", decision_problems=[])
    threads = Threads(1, "test")
    health = Health(
        cast("ModelRegistry", registry), cast("Any", intake), cast("Any", store), tmp_path, Counts(), threads
    )
    monkeypatch.setattr(health, "_check_spool", lambda look: answer("spool"))
    monkeypatch.setattr(health, "_check_store", lambda look: answer("store"))
    monkeypatch.setattr(health_module, "CHECK_TIMEOUT", 0.2)
    try:
        _, parts = await health.ready()
        others = {"store", "broker"} - {hanging}
        assert parts[hanging] == "no answer within 0.2 s"
        assert all(parts[other] == "ok" for other in others)
    finally:
        release.set()
    monkeypatch.setattr(health_module, "CHECK_TIMEOUT", 60.0)
    ready, parts = await health.ready()
    assert (ready, parts) == (True, {"model": "ok", "store": "ok", "broker": "ok"})


def test_a_redis_that_goes_away_later_is_named_and_the_server_stays_ready(
    make: Make, make_redis: MakeRedis
) -> None:
    server = make_redis()
    live = make(env={"REDIS_URL": server.url})
    live.backend.command = "serve"
    live.backend.start()
    live.setup(1)
    wait_until(lambda: _get(live, "/readyz").status_code == 200, "it is ready")
    server.kill()
    wait_until(lambda: "Redis cannot be reached" in _get(live, "/readyz").json()["broker"], "it is said")
    assert _get(live, "/readyz").status_code == 200
    assert live.predict(1)["model_version"] == "INITIAL"
    server.start()
    wait_until(lambda: _get(live, "/readyz").json()["broker"] == "ok", "it is back")


def test_a_model_file_that_cannot_be_imported_is_not_ready(make: Make) -> None:
    live = make()
    (live.folder / "seed_model.py").write_text(
        "from label_studio_ml.model import LabelStudioMLBase\nimport no_such_module\n"
        "class Mine(LabelStudioMLBase): ...\n"
    )
    live.backend.start()
    wait_until(lambda: "no_such_module" in _get(live, "/readyz").json()["model"], "it says why")
    assert _get(live, "/readyz").status_code == 503
    assert _get(live, "/livez").status_code == 200


def test_a_server_that_lingers_takes_requests_and_says_that_it_is_not_ready(make: Make) -> None:
    live = make(env={"LABEL_STUDIO_ML_LINGER": "600"})
    live.backend.start()
    live.setup(1)
    wait_until(lambda: _get(live, "/readyz").status_code == 200, "it is ready")
    assert live.backend.program is not None
    os.kill(live.backend.program.process.pid, signal.SIGTERM)
    wait_until(lambda: _get(live, "/readyz").status_code == 503, "it says so")
    assert "shutting down" in _get(live, "/readyz").json()["server"]
    with requests.Session() as session:
        answer = session.get(f"{live.backend.url}/livez", timeout=30)
    assert answer.headers["Connection"] == "close"
    assert live.predict(1)["model_version"] == "INITIAL"
    assert not live.backend.stop(with_signal=signal.SIGINT)


@pytest.mark.parametrize("given", ["abc-123", "x" * 128])
def test_a_request_id_comes_back_and_is_in_the_log(make: Make, given: str) -> None:
    live = make(env={"LOG_FORMAT": "json"})
    live.backend.start()
    answer = requests.post(
        f"{live.backend.url}/setup",
        data=b"{",
        headers={"X-Request-ID": given, "Content-Type": "application/json"},
        timeout=30,
    )
    assert (answer.status_code, answer.headers["X-Request-ID"]) == (400, given)
    text = (live.folder / "logs" / "server.log").read_text()
    records = [json.loads(line) for line in text.splitlines()]
    assert [record["request_id"] for record in records if "400" in record["message"]] == [given]


def test_what_predict_logs_names_the_request(make: Make) -> None:
    live = make(env={"LOG_FORMAT": "json"})
    live.backend.start()
    body = {
        "tasks": [{"id": 1, "data": {"text": "x", "log": True}}],
        "project": "1.0",
        "label_config": CONFIG,
    }
    for given in ("first", "second"):
        url = f"{live.backend.url}/predict"
        assert requests.post(url, json=body, headers={"X-Request-ID": given}, timeout=60).ok
    log = live.folder / "logs" / "server.log"

    def logged() -> list[dict[str, Any]]:
        lines = log.read_text().splitlines(keepends=True)
        found = [json.loads(line) for line in lines if line.endswith("\n")]
        return [record for record in found if record["message"] == "logged by predict"]

    wait_until(lambda: len(logged()) == 2, "both lines are in the log")
    records = logged()
    assert [record["request_id"] for record in records] == ["first", "second"]
    assert live.backend.program is not None
    assert {record["process"] for record in records} & {live.backend.program.process.pid} == set()


def test_a_request_without_a_usable_id_gets_one_of_its_own(make: Make) -> None:
    live = make()
    live.backend.start()
    seen = {
        _get(live, "/livez", headers=headers).headers["X-Request-ID"]
        for headers in ({}, {}, {"X-Request-ID": "x" * 129}, {"X-Request-ID": "two words"})
    }
    assert len(seen) == 4
    assert all(re.fullmatch("[0-9a-f]{8}-[0-9a-f]+", one) for one in seen)


def test_the_run_is_named_in_the_log_of_its_worker(make: Make) -> None:
    live = make(env={"LOG_FORMAT": "json"})
    live.studio.add(1, 11)
    live.backend.start()
    live.setup(1)
    job = live.send(start_training(1))
    assert live.wait(job)["job_status"] == "finished"
    records = [json.loads(line) for line in (live.folder / "logs" / "rq.log").read_text().splitlines()]
    assert [r["run_id"] for r in records if "is published" in r["message"]] == [job]
    of_fit = (live.folder / "logs" / "jobs" / f"{job}.log").read_text().splitlines()
    logged = [json.loads(line) for line in of_fit if line.startswith("{")]
    assert {record["run_id"] for record in logged if record["message"] == "logged by fit"} == {job}


def test_the_dashboard_asks_only_for_metrics_that_there_are(make: Make) -> None:
    live = make()
    live.studio.add(1, 11)
    live.backend.start()
    live.setup(1)
    live.predict(1)
    wait_until(lambda: _sample(live, "up", part="broker") == 1, "the broker is up")
    there = {name for name, _ in _samples(live)}
    dashboard = json.loads(DASHBOARD.read_text())
    asked = {
        name
        for panel in dashboard["panels"]
        for target in panel.get("targets", [])
        for name in re.findall(r"label_studio_ml_\w+", target["expr"])
    }
    assert len(asked) >= 15
    assert asked - there == set()


def test_events_that_wait_although_nothing_trains_them_are_said(make: Make, make_redis: MakeRedis) -> None:
    """With a login: without it, only that something is wrong."""
    live = make(auth=("me", "secret"), env={"REDIS_URL": make_redis().url}, paths=[IMPATIENT])
    live.backend.command = "serve"
    live.backend.start()
    live.studio.add(1, 11)
    live.setup(1)
    wait_until(lambda: _get(live, "/readyz").status_code == 200, "it is ready")
    assert "training" not in _get(live, "/readyz").json()
    settings = Settings(backend_dir=live.folder, basic_auth_user="me", basic_auth_pass="secret")
    view = BackendView((live.backend.url,), settings)
    context = Context(settings, live.folder, live.backend.port, view, live.backend.url, "", about={})
    assert [check.status for check in server.trainings(context)] == ["ok"]
    live.send(start_training(1))
    wait_until(lambda: "training" in _get(live, "/readyz").json(), "it is said")
    answer = _get(live, "/readyz")
    assert (answer.status_code, answer.json()["training"]) == (200, "failing")
    said = _get(live, "/readyz", auth=live.auth).json()["training"]
    assert said.startswith(f"1 event waits (project {uid(1)}) and no training has begun for ")
    assert said.endswith("no training worker is running")
    assert _sample(live, "stalled_projects") == 1
    (check,) = server.trainings(context)
    assert (check.status, check.what.partition(" and ")[0]) == ("fail", f"1 event waits (project {uid(1)})")
    assert "label-studio-ml start" in check.fix
    assert "1 event waits" in live.backend.output()
    live.backend.stop()
    live.backend.command = "start"
    live.backend.start()
    wait_until(lambda: live.control(1).fits("end"), "a worker trains")
    wait_until(lambda: "training" not in _get(live, "/readyz").json(), "nothing waits any more")
    assert _sample(live, "stalled_projects") == 0
