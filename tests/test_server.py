"""`label-studio-ml start` as a process: real HTTP, a login, a limit, logs to search for secrets, a model that dies."""

import http.client
import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from e2e.backend import Backend, clean_environment
from e2e.processes import Program, free_port, wait_until
from helpers import Captured, captured, strict
from tricky import Tricky, task

LOGIN = ("me", "C4NARY-password")
SECRETS = {"token": "C4NARY-token", "task_data_login": "C4NARY-login", "task_data_password": "C4NARY-data"}
STUDIO = {"User-Agent": "heartex/1.23.2"}
MAX_BODY = 200_000

#: Seconds that a call may take on a busy machine.
PATIENCE = 60.0


@pytest.fixture(scope="module")
def tricky(tmp_path_factory: pytest.TempPathFactory) -> Tricky:
    return Tricky(tmp_path_factory.mktemp("server") / "backend")


@pytest.fixture(scope="module")
def backend(tricky: Tricky) -> Iterator[Backend]:
    """A backend that all tests here share; at its end no process is left, and no log holds a secret."""
    made = Backend(
        tricky.folder,
        tricky.folder.parent / "backend.log",
        arguments=["--script", "obedient.py:Tricky", "--log-level", "DEBUG"],
        env={
            "BASIC_AUTH_USER": LOGIN[0],
            "BASIC_AUTH_PASS": LOGIN[1],
            "LABEL_STUDIO_API_KEY": "C4NARY-key",
            "LABEL_STUDIO_ML_MAX_BODY": str(MAX_BODY),
        },
        port=free_port(),
    )
    tricky.order("on_fit", "raise hell")
    made.start()
    yield made
    left = made.stop()
    logs = {path.name: path.read_text() for path in (made.log, *(tricky.folder / "logs").glob("*.log"))}
    assert {"server.log", "rq.log"} <= set(logs)
    assert [name for name, text in logs.items() if "C4NARY" in text] == []
    assert not left, f"processes that outlived their backend: {left}"


@pytest.fixture(scope="module")
def known(backend: Backend) -> Backend:
    """The backend, after its project's /setup."""
    request = captured("setup").with_fields(access_token="C4NARY-access")
    assert ask(backend, request).json() == {"model_version": "INITIAL"}
    return backend


def ask(backend: Backend, request: Captured, **options: Any) -> requests.Response:
    """Send a captured request as Label Studio does: with the login, following redirects."""
    options.setdefault("auth", LOGIN)
    answer = requests.request(
        request.method,
        f"{backend.url}{request.path}",
        data=request.body or None,
        headers={"User-Agent": request.agent, "Content-Type": "application/json"},
        timeout=PATIENCE,
        **options,
    )
    assert "C4NARY" not in answer.text + answer.url.replace(LOGIN[1], "")
    assert "Traceback" not in answer.text
    strict(answer.text)
    return answer


def post(backend: Backend, path: str, fields: Any, **options: Any) -> requests.Response:
    """Send `fields` as Label Studio would."""
    return ask(backend, Captured("", "POST", path, STUDIO["User-Agent"], fields), **options)


def test_every_captured_request_is_answered(known: Backend, any_captured: Captured) -> None:
    if any_captured.path == "/webhook":
        project = {**any_captured.json["project"], **SECRETS}
        any_captured = any_captured.with_fields(project=project)
    answer = ask(known, any_captured)
    assert answer.ok
    assert not answer.history
    if any_captured.path == "/predict":
        assert len(answer.json()["results"]) == len(any_captured.json["tasks"])


def test_without_the_login_all_but_webhooks_of_known_projects_is_401(known: Backend) -> None:
    for name in ("health", "setup", "predict_retrieve", "versions", "webhook_START_TRAINING"):
        assert ask(known, captured(name), auth=None).status_code == 401
    assert ask(known, captured("webhook_ANNOTATION_CREATED"), auth=None).status_code == 201
    stranger = {**captured("webhook_ANNOTATION_CREATED").json["project"], "id": 99}
    event = captured("webhook_ANNOTATION_CREATED").with_fields(project=stranger)
    assert ask(known, event, auth=None).status_code == 401


@pytest.mark.parametrize("header", [b"Basic \xff\xfe", b"Basic", b"Bearer x", b"Basic bWU=", b"\xc3\xa9"])
def test_a_malformed_login_is_401(backend: Backend, header: bytes) -> None:
    connection = http.client.HTTPConnection("localhost", backend.port, timeout=PATIENCE)
    connection.putrequest("GET", "/health")
    connection.putheader("Authorization", header)
    connection.endheaders()
    assert connection.getresponse().status == 401
    connection.close()


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"tasks": [task(1, "raise hell")], "project": "1.1"}, 500, "told-to-hell"),
        ({"tasks": 3, "project": "1.1"}, 400, "tasks"),
        ({"tasks": [task(1, "kill")], "project": "1.1"}, 500, "SIGKILL"),
    ],
)
def test_label_studio_ends_at_a_page_with_the_status_and_the_cause(
    known: Backend, fields: Any, status: int, words: str
) -> None:
    answer = post(known, "/predict", fields)
    assert [step.status_code for step in answer.history] == [303]
    assert answer.status_code == status
    assert answer.url.startswith(f"{known.url}/problem/{status}/")
    assert words in answer.url
    with pytest.raises(requests.HTTPError, match=words):
        answer.raise_for_status()
    assert post(known, "/predict", {"tasks": [task(1)], "project": "1.1"}).ok


def test_below_a_path_prefix_the_page_is_below_it_too(known: Backend) -> None:
    """A proxy that serves the backend at /ml/ takes the prefix off; the Location is relative, so it stays."""
    answer = requests.post(
        f"{known.url}/predict", json={}, headers=STUDIO, auth=LOGIN, allow_redirects=False, timeout=PATIENCE
    )
    there = requests.compat.urljoin("http://proxy/ml/predict", answer.headers["Location"])
    assert there.startswith("http://proxy/ml/problem/400/")


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [MAX_BODY + 1, 20 * MAX_BODY])
def test_a_body_over_the_limit_is_413(known: Backend, chunked: bool, size: int) -> None:
    body = json.dumps({"tasks": [], "project": "x" * size}).encode()
    data: Any = iter([body[at : at + 65536] for at in range(0, len(body), 65536)]) if chunked else body
    try:
        answer = requests.post(f"{known.url}/predict", data=data, auth=LOGIN, timeout=PATIENCE)
    except requests.ConnectionError:
        assert size > 2 * MAX_BODY, "the answer was there before the whole body was sent"
    else:
        assert (answer.status_code, answer.json()["field"]) == (413, "body")
    assert ask(known, captured("health")).ok


def test_a_connection_serves_one_request_after_another(known: Backend) -> None:
    with requests.Session() as session:
        session.auth = LOGIN
        for _ in range(5):
            assert session.get(f"{known.url}/health", timeout=PATIENCE).ok
            assert session.post(f"{known.url}/nowhere", data=b"x", timeout=PATIENCE).status_code == 404


@pytest.mark.parametrize(
    "raw", [b"\r\n\r\n", b"GET\r\n\r\n", b"POST /predict HTTP/1.1\r\nContent-Length: -1\r\n\r\n"]
)
def test_what_is_not_http_does_no_harm(known: Backend, raw: bytes) -> None:
    with socket.create_connection(("localhost", known.port), timeout=PATIENCE) as connection:
        connection.sendall(raw)
    assert ask(known, captured("health")).ok


@pytest.mark.parametrize("workers", [1, 2])
def test_gunicorn_serves_the_wsgi_file(workers: int, tmp_path: Path) -> None:
    tricky = Tricky(tmp_path / "backend")
    (tricky.folder / "_wsgi.py").write_text(
        "from label_studio_ml.api import init_app\nfrom obedient import Tricky\napp = init_app(model_class=Tricky)\n"
    )
    port = free_port()
    bind = ["--bind", f"127.0.0.1:{port}", "--workers", str(workers), "--threads", "8", "--timeout", "0"]
    server = Program(
        [sys.executable, "-m", "gunicorn", *bind, "_wsgi:app"],
        cwd=tricky.folder,
        env=clean_environment({"LABEL_STUDIO_ML_MAX_BODY": str(MAX_BODY)}),
        log=tmp_path / "gunicorn.log",
    )
    url = f"http://127.0.0.1:{port}"

    def up() -> bool:
        try:
            return requests.get(f"{url}/health", timeout=PATIENCE).ok
        except requests.ConnectionError:
            assert server.running, server.output()
            return False

    try:
        wait_until(up, "gunicorn serves")
        setup = captured("setup")
        assert requests.post(f"{url}/setup", data=setup.body, timeout=PATIENCE).json() == {
            "model_version": "INITIAL"
        }
        for _ in range(10):  # every worker knows the project, whoever heard of it
            request = captured("predict_retrieve")
            answer = requests.post(f"{url}/predict", data=request.body, timeout=PATIENCE)
            assert len(answer.json()["results"]) == len(request.json["tasks"])
        over = [b" " * 65536] * 10
        for data in (b"".join(over), iter(over)):
            assert requests.post(f"{url}/predict", data=data, timeout=PATIENCE).status_code == 413
        small = iter([b'{"tasks": [], ', b'"project": "1.1"}'])
        assert requests.post(f"{url}/predict", data=small, timeout=PATIENCE).json() == {"results": []}

        def trains() -> bool:  # what comes before the broker is up is kept, without a job
            event = captured("webhook_ANNOTATION_CREATED")
            answer = requests.post(f"{url}/webhook", data=event.body, timeout=PATIENCE)
            assert answer.status_code == 201
            return bool(answer.json()["job"])

        wait_until(trains, "an event starts a job")
    finally:
        left = server.stop()
    assert not left, f"processes that outlived gunicorn: {left}"
