"""The application under its older names: `_server`, the manager of the first generation, `run_ml_backend`."""
# mypy: disable-error-code="no-untyped-def, override"

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from e2e.processes import free_port, wait_until
from label_studio_ml import api
from label_studio_ml.api import _manager, _server, init_app, safe_str_cmp
from label_studio_ml.errors import BackendError, Unsupported
from label_studio_ml.legacy.managers import LabelStudioMLManager
from label_studio_ml.model import LabelStudioMLBase, predict_fn
from label_studio_ml.model_api import registered_functions
from live import CONFIG, annotation, task, uid


class Model(LabelStudioMLBase):
    def predict(self, tasks, **kwargs):
        return [{"result": [], "score": 0.5} for _ in tasks]

    def fit(self, annotations, **kwargs):
        return {"seen": len(list(annotations))}


@pytest.fixture(autouse=True)
def _anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let each test find what a new process finds, and end what it started."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(api, "_applications", api._Applications())
    yield
    last = api._applications.last
    if last is not None and last._running is not None:
        last._running.close()
    registered_functions.functions.predict = registered_functions.functions.update = None


def _tested(cls: type[LabelStudioMLBase], **kwargs: Any) -> Any:
    app = init_app(model_class=cls, **kwargs)
    app.config["TESTING"] = True
    return app


def test_the_server_is_the_application_that_was_made_last() -> None:
    app = _tested(Model)
    assert _server == app
    with _server.test_client() as client:
        answer = client.get("/health")
    assert (answer.status_code, answer.get_json()["status"]) == (200, "UP")
    assert answer.get_json()["model_class"] == "Model"
    other = init_app(model_class=LabelStudioMLBase)
    assert _server == other
    assert other is not app
    app._running.close()


def test_before_any_is_made_it_serves_the_registered_functions(tmp_path: Path) -> None:
    @predict_fn
    def predict(tasks, context, helper, **kwargs):
        return [{"result": [], "score": 0.25} for _ in tasks]

    body = {"tasks": [task(1)], "project": uid(1), "label_config": CONFIG, "params": {}}
    with _server.test_client() as client:
        answer = client.post("/predict", json=body)
        assert client.get("/health").get_json()["model_class"] == "LabelStudioMLBase"
        assert client.post("/setup", json={"project": uid(1), "schema": CONFIG}).get_json() == {
            "model_version": "0.0.1"
        }
    (entry,) = answer.get_json()["results"]
    assert (entry["score"], entry["model_version"]) == (0.25, "0.0.1")
    assert not (tmp_path / "data" / "broker").exists(), "nothing can be trained: no broker is needed"


def test_routes_that_were_added_before_stay() -> None:
    @_server.route("/mine")
    def mine():
        return "mine"

    _server.config["TESTING"] = True
    app = init_app(model_class=Model)
    assert app.config["TESTING"]
    with app.test_client() as client:
        assert client.get("/mine").get_data(as_text=True) == "mine"
        assert client.get("/health").get_json()["model_class"] == "Model"


def test_the_class_and_the_login() -> None:
    assert (LabelStudioMLBase, None) == (api.MODEL_CLASS, api.BASIC_AUTH)
    init_app(model_class=Model, basic_auth_user="me", basic_auth_pass="secret")
    assert (Model, ("me", "secret")) == (api.MODEL_CLASS, api.BASIC_AUTH)
    init_app(model_class=Model)
    assert api.BASIC_AUTH is None
    with pytest.raises(AttributeError, match="'nothing'"):
        _ = api.nothing


def test_safe_str_cmp() -> None:
    assert [safe_str_cmp("ä", "ä"), safe_str_cmp("ä", "a"), safe_str_cmp("", "a")] == [True, False, False]


def test_the_manager_passes_its_calls_on() -> None:
    _manager.initialize(Model, weights="w.bin")
    _server.config["TESTING"] = True
    assert _manager.get_initialization_params()["model_class"] is Model
    assert _manager.get_initialization_params()["weights"] == "w.bin"
    assert not _manager.has_active_model(uid(1))
    assert _manager.is_training(uid(1)) == {"is_training": False}
    fetched = _manager.fetch(uid(1), CONFIG, hostname="http://ls", access_token="t")
    assert fetched.model_version == "INITIAL"
    assert _manager.get(uid(1)) is not None
    results, used = _manager.predict([task(1), task(2)], uid(1), CONFIG, login="l")
    assert [entry["score"] for entry in results] == [0.5, 0.5]
    assert used.model_version == "INITIAL"
    with pytest.raises(Unsupported, match=r"its labels is not available here.*by hand"):
        _ = used.model.labels
    labelled = [{**task(1), "annotations": [annotation(1)]}]
    job = _manager.train(labelled, uid(1), CONFIG)
    assert _manager.job_status(job.id)["job_status"] == "finished"
    version = _manager.get_or_create(uid(1), CONFIG).model_version
    assert version != "INITIAL"
    assert _manager.create(uid(1), CONFIG).model_version == version
    assert _manager.webhook("PROJECT_UPDATED", {"project": {"id": 1}}) == {"job_id": None}
    assert not _manager.without_redis()
    with pytest.raises(Unsupported, match="no job manager"):
        _manager.get_job_manager()


def test_an_error_of_the_application_is_raised() -> None:
    _tested(Model)
    with pytest.raises(BackendError, match=r"/job_status was answered with 410.*no job x"):
        _manager.job_status("x")


def test_a_manager_without_an_application(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LabelStudioMLManager, "application", None)
    with pytest.raises(Unsupported, match=r"init_app\(model_class"):
        LabelStudioMLManager.fetch("1")
    monkeypatch.setattr(LabelStudioMLManager, "make_application", None)
    with pytest.raises(Unsupported, match="init_app"):
        LabelStudioMLManager.initialize(Model)


SCRIPT = """
import os
from label_studio_ml.model import predict_fn, update_fn
from label_studio_ml.wsgi import run_ml_backend

@predict_fn
def predict(tasks, context, helper, **kwargs):
    return [{"result": [], "score": 0.5, "count": helper.get("count")} for _ in tasks]

@update_fn
def update(event, data, helper, **kwargs):
    helper.set("count", str(int(helper.get("count") or 0) + 1))

run_ml_backend(port=int(os.environ["PORT"]), host="127.0.0.1", debug=True)
"""


@pytest.mark.parametrize("where", ["file", "notebook"])
def test_run_ml_backend_serves_the_registered_functions(tmp_path: Path, where: str) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    if where == "file":
        (tmp_path / "served.py").write_text(SCRIPT)
        command = ["served.py"]
    else:
        command = ["-c", SCRIPT]
    environment = {**os.environ, "PORT": str(port)}
    process = subprocess.Popen([sys.executable, *command], cwd=tmp_path, env=environment)
    try:

        def up() -> bool:
            try:
                return requests.get(f"{url}/health", timeout=10).status_code == 200
            except requests.RequestException:
                return False

        wait_until(up, "the backend answers", 120)

        def version() -> Any:
            body = {"project": uid(1), "schema": CONFIG}
            return requests.post(f"{url}/setup", json=body, timeout=60).json().get("model_version")

        wait_until(lambda: version() == "0.0.1", "the model is loaded", 120)
        event = {"action": "START_TRAINING", "project": {"id": 1, "created_at": "2026-01-01T00:00:00Z"}}
        trained = requests.post(f"{url}/webhook", json=event, timeout=60)
        assert trained.status_code == 201, trained.text
        body = {"tasks": [task(1)], "project": uid(1), "label_config": CONFIG, "params": {}}

        def count() -> Any:
            (entry,) = requests.post(f"{url}/predict", json=body, timeout=60).json()["results"]
            return entry["count"]

        wait_until(lambda: count() == "1", "the new version is served", 120)
    finally:
        process.terminate()
        process.wait(60)
