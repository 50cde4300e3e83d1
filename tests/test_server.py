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

JSON = {"Content-Type": "application/json"}

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
        arguments=["--script", "obedient.py:Tricky", "--log-level", "DEBUG", "--host", "127.0.0.1"],
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


def test_without_the_login_all_but_webhooks_is_401(known: Backend) -> None:
    """What a webhook is answered does not tell which projects are known."""
    for name in ("health", "setup", "predict_retrieve", "versions", "webhook_START_TRAINING"):
        assert ask(known, captured(name), auth=None).status_code == 401
    assert ask(known, captured("webhook_ANNOTATION_CREATED"), auth=None).status_code == 202
    stranger = {**captured("webhook_ANNOTATION_CREATED").json["project"], "id": 99}
    event = captured("webhook_ANNOTATION_CREATED").with_fields(project=stranger)
    assert ask(known, event, auth=None).status_code == 202


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


def check_host_problem(url: str) -> None:
    """Check that Label Studio, which asks under a name that is not known, is told so."""
    headers = {**STUDIO, "Host": "evil.example"}
    answer = requests.get(f"{url}/health", headers=headers, auth=LOGIN, timeout=PATIENCE)
    assert [step.status_code for step in answer.history] == [303]
    assert answer.status_code == 421
    assert answer.url.startswith(f"{url}/problem/421/")
    assert "ALLOWED_HOSTS" in answer.url
    assert "evil.example" in answer.json()["detail"]


def test_label_studio_is_told_of_a_host_that_is_not_known(known: Backend) -> None:
    check_host_problem(known.url)


@pytest.mark.parametrize("path", ["/problem/421/x", "//problem/421/x"])
def test_what_is_refused_at_a_problem_page_leads_to_no_other(known: Backend, path: str) -> None:
    body = {"data": b"{}", "headers": {**STUDIO, **JSON, "Host": "evil.example"}}
    answer = requests.post(f"{known.url}{path}", timeout=PATIENCE, **body)  # type: ignore[arg-type]
    assert (answer.history, answer.status_code) == ([], 421)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_problem_page_takes_no_body(known: Backend, chunked: bool) -> None:
    data: Any = iter([b"{}"]) if chunked else b"{}"
    answer = requests.post(f"{known.url}/problem/500/x", data=data, headers=JSON, timeout=PATIENCE)
    assert (answer.status_code, answer.json()["field"]) == (413, "body")
    assert "accepts no body" in answer.json()["detail"]


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [MAX_BODY + 1, 20 * MAX_BODY])
def test_a_body_over_the_limit_is_413(known: Backend, chunked: bool, size: int) -> None:
    body = json.dumps({"tasks": [], "project": "x" * size}).encode()
    data: Any = iter([body[at : at + 65536] for at in range(0, len(body), 65536)]) if chunked else body
    try:
        answer = requests.post(f"{known.url}/predict", data=data, headers=JSON, auth=LOGIN, timeout=PATIENCE)
    except requests.ConnectionError:
        assert size > 2 * MAX_BODY, "the answer was there before the whole body was sent"
    else:
        assert (answer.status_code, answer.json()["field"]) == (413, "body")
    assert ask(known, captured("health")).ok


EVIL = "https://evil.example"

#: What a page of another site can make a browser send, and the status that it gets.
FOREIGN = [
    ({"Content-Type": "text/plain"}, 415),
    ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
    ({}, 415),
    ({**JSON, "Origin": EVIL}, 403),
    ({**JSON, "Origin": "null"}, 403),
    ({**JSON, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
    ({**JSON, "Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, 403),
    ({"Content-Type": "text/plain", "Origin": EVIL, "Sec-Fetch-Site": "cross-site"}, 403),
]
POSTS = [
    "/predict",
    "/setup",
    "/webhook",
    "/train",
    "/delete",
    "/validate",
    "/duplicate_model",
    "/versions/promote",
]


def check_foreign(url: str) -> None:
    """Check that what pages of other sites can send is not answered, and that links to pages of ours work."""
    for path in POSTS:
        for headers, status in FOREIGN:
            answer = requests.post(
                f"{url}{path}", data=b'{"project": "1.1"}', headers=headers, auth=LOGIN, timeout=PATIENCE
            )
            assert answer.status_code == status, (path, headers, answer.text)
            assert answer.json()["field"] in ("Content-Type", "Origin", "Sec-Fetch-Site")
    for fetched in ("/versions", "/jobs", "/metrics", "/health"):
        headers = {"Origin": EVIL, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
        assert (
            requests.get(f"{url}{fetched}", headers=headers, auth=LOGIN, timeout=PATIENCE).status_code == 403
        )
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert requests.get(f"{url}/problem/400/some-cause", headers=link, timeout=PATIENCE).status_code == 400
    assert requests.get(f"{url}/health", headers=link, auth=LOGIN, timeout=PATIENCE).ok


def test_pages_of_other_sites_cannot_drive_it(known: Backend) -> None:
    check_foreign(known.url)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 421),
        ("evil.example:9090", 421),
        ("localhost:1", 200),
        ("127.0.0.1", 200),
        ("[::1]:9090", 200),
        ("host.docker.internal:9090", 200),
    ],
)
@pytest.mark.parametrize("path", ["/health", "/livez"])
def test_on_a_loopback_address_it_is_not_known_by_other_names(
    known: Backend, path: str, host: str, status: int
) -> None:
    answer = requests.get(f"{known.url}{path}", headers={"Host": host}, auth=LOGIN, timeout=PATIENCE)
    assert answer.status_code == status
    assert ("ALLOWED_HOSTS" in answer.text) == (status == 421)


@pytest.mark.parametrize("login", ["", "Basic d3Jvbmc6bG9naW4="], ids=["none", "wrong"])
@pytest.mark.parametrize("path", ["/predict", "/train", "/nowhere"])
def test_without_the_login_the_body_is_not_waited_for(known: Backend, path: str, login: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n"
    head += "Expect: 100-continue\r\n" + (f"Authorization: {login}\r\n" if login else "")
    with socket.create_connection(("localhost", known.port), timeout=PATIENCE) as connection:
        connection.sendall(f"{head}\r\n".encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"]


def test_a_connection_serves_one_request_after_another(known: Backend) -> None:
    with requests.Session() as session:
        session.auth = LOGIN
        for _ in range(5):
            assert session.get(f"{known.url}/health", timeout=PATIENCE).ok
            assert session.post(f"{known.url}/nowhere", json={}, timeout=PATIENCE).status_code == 404


@pytest.mark.parametrize(
    "raw", [b"\r\n\r\n", b"GET\r\n\r\n", b"POST /predict HTTP/1.1\r\nContent-Length: -1\r\n\r\n"]
)
def test_what_is_not_http_does_no_harm(known: Backend, raw: bytes) -> None:
    with socket.create_connection(("localhost", known.port), timeout=PATIENCE) as connection:
        connection.sendall(raw)
    assert ask(known, captured("health")).ok


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.soak), 2])
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
        env=clean_environment({"LABEL_STUDIO_ML_MAX_BODY": str(MAX_BODY), "ALLOWED_HOSTS": "named.example"}),
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
        assert requests.post(f"{url}/setup", data=setup.body, headers=JSON, timeout=PATIENCE).json() == {
            "model_version": "INITIAL"
        }
        for _ in range(10):  # every worker knows the project, whoever heard of it
            request = captured("predict_retrieve")
            answer = requests.post(f"{url}/predict", data=request.body, headers=JSON, timeout=PATIENCE)
            assert len(answer.json()["results"]) == len(request.json["tasks"])
        over = [b" " * 65536] * 10
        for data in (b"".join(over), iter(over)):
            assert (
                requests.post(f"{url}/predict", data=data, headers=JSON, timeout=PATIENCE).status_code == 413
            )
        small = iter([b'{"tasks": [], ', b'"project": "1.1"}'])
        assert requests.post(f"{url}/predict", data=small, headers=JSON, timeout=PATIENCE).json() == {
            "results": []
        }

        def trains() -> bool:  # what comes before the broker is up is kept, without a job
            event = captured("webhook_ANNOTATION_CREATED")
            answer = requests.post(f"{url}/webhook", data=event.body, headers=JSON, timeout=PATIENCE)
            assert answer.status_code == 201
            return bool(answer.json()["job"])

        wait_until(trains, "an event starts a job")
        check_foreign(url)
        for host, status in {"evil.example": 421, "named.example": 200, "127.0.0.1:1": 200}.items():
            answer = requests.get(f"{url}/health", headers={"Host": host}, timeout=PATIENCE)
            assert (answer.status_code, "ALLOWED_HOSTS" in answer.text) == (status, status == 421)
        check_host_problem(url)
    finally:
        left = server.stop()
    assert not left, f"processes that outlived gunicorn: {left}"
