"""Requests of `predict` to a running backend: what is asked for again, and why a backend is given up."""

import socket
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from certificates import https_server, make
from helpers import run
from label_studio_ml.projects import running_backend
from label_studio_ml.projects.running_backend import BackendGone, BackendSource
from label_studio_ml.protocol.prediction_json import NOT_IN_TIME, TAKEN_OVER
from label_studio_ml.versions.state.project_state import Project


class _Response:
    status_code = 200

    def __init__(self, results: list[Any]) -> None:
        self.content = msgspec.json.encode({"results": results})

    def json(self) -> Any:
        return msgspec.json.decode(self.content)


def _source(monkeypatch: pytest.MonkeyPatch, *responses: list[Any]) -> tuple[BackendSource, list[list[Any]]]:
    """Return a source whose backend gives these results in turn, and the tasks that it is asked for."""
    source = BackendSource("http://backend", Project(uid="1.1", label_config="<View/>"))
    source.version = "v1"
    asked: list[list[Any]] = []
    remaining = list(responses)

    def request(path: str, body: dict[str, Any]) -> _Response:
        asked.append([task["id"] for task in body["tasks"]])
        return _Response(remaining.pop(0))

    monkeypatch.setattr(source, "_request", request)
    monkeypatch.setattr(running_backend, "PAUSE", 0.0)
    return source, asked


def _entry(version: str) -> dict[str, Any]:
    return {"result": [], "model_version": version}


TASKS = [{"id": 1}, {"id": 2}]


@pytest.mark.parametrize("cause", [f"{NOT_IN_TIME}: 1 of 2 tasks", f"{TAKEN_OVER}, v2; ask again"])
def test_tasks_that_the_backend_did_not_come_to_are_asked_for_again(
    cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, asked = _source(
        monkeypatch, [_entry("v1"), {"error": cause, "model_version": "v1"}], [_entry("v1")]
    )
    outcomes = run(source.ask(TASKS))
    assert asked == [[1, 2], [2]]
    assert [outcome.error for outcome in outcomes] == ["", ""]


def test_a_version_that_was_replaced_ends_the_run_instead_of_failing_tasks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replaced = {"error": f"{TAKEN_OVER}, v2; ask again", "model_version": "v1"}
    source, _ = _source(monkeypatch, [_entry("v1"), replaced], [_entry("v2")])
    with pytest.raises(BackendGone, match="serves version v2 now"):
        run(source.ask(TASKS))


def test_an_error_of_the_model_stays_with_its_task(monkeypatch: pytest.MonkeyPatch) -> None:
    source, asked = _source(monkeypatch, [_entry("v1"), {"error": "predict failed", "model_version": "v1"}])
    outcomes = run(source.ask(TASKS))
    assert asked == [[1, 2]]
    assert [outcome.error for outcome in outcomes] == ["", "predict failed"]


def test_a_certificate_that_is_not_trusted_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with https_server(make(tmp_path)) as url, pytest.raises(BackendGone) as raised:
        run(BackendSource(url, Project(uid="1.1")).start())
    trust = f"The certificate of {url} is not trusted on this machine (self-signed certificate)"
    assert raised.value.message == trust
    assert "REQUESTS_CA_BUNDLE" in raised.value.fix


def test_a_connection_that_is_closed_is_no_problem_of_the_certificate() -> None:
    def close_after_hello() -> None:
        with listener.accept()[0] as connected:
            connected.recv(65536)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        closing = threading.Thread(target=close_after_hello, daemon=True)
        closing.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(BackendGone) as raised:
            run(BackendSource(url, Project(uid="1.1")).start())
        closing.join(60)
    assert raised.value.message.startswith(f"{url} does not answer (")
    assert not raised.value.fix
