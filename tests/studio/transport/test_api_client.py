"""Requests to the API: what is returned, which errors are raised, and waiting while Label Studio is unavailable."""

import socket
import threading
from typing import Any

import pytest
import requests
from requests.exceptions import SSLError

from label_studio_ml.errors import (
    StudioAuthError,
    StudioError,
    StudioRefusedError,
    StudioUnavailable,
    Unsure,
)
from label_studio_ml.studio.transport import api_client
from label_studio_ml.studio.transport.api_client import ApiClient, Interrupted
from label_studio_ml.studio.transport.http import Http
from label_studio_ml.studio.transport.studio_errors import unreachable

from ..fake import FakeServer, Reply

PATH = "/api/things/1/"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_client, "MAX_PAUSE", 0.01)


def _client(studio: FakeServer, **options: Any) -> ApiClient:
    return ApiClient(Http(studio.url, "t" * 40), **options)


def test_objects_and_lists(studio: FakeServer) -> None:
    studio.sequence(PATH, *map(Reply.of, ({"a": 1}, [{"b": 2}], {"results": [{"c": 3}]}, [{"b": 2}, 3])))
    client = _client(studio)
    assert client.json_object("GET", PATH) == {"a": 1}
    assert client.json_list("GET", PATH) == [{"b": 2}]
    assert client.json_list("GET", PATH) == [{"c": 3}], "newer releases paginate"
    with pytest.raises(
        StudioError, match=rf"answer to GET {PATH} has an .*: expected object, got int \(\[1\]\)"
    ):
        client.json_list("GET", PATH)


@pytest.mark.parametrize("body", [b"<html>", b"[1", b'"text"', b""])
def test_other_forms(studio: FakeServer, body: bytes) -> None:
    studio.on(PATH, Reply(200, body))
    for call, form in ((_client(studio).json_object, "object"), (_client(studio).json_list, "list")):
        with pytest.raises(StudioError, match=rf"did not answer with a JSON {form}: 200 at .*sub-path"):
            call("GET", PATH)
    _client(studio).call("PATCH", PATH, json={})


def test_a_lone_surrogate_is_replaced(studio: FakeServer) -> None:
    studio.on(PATH, Reply(200, rb'{"a": "\ud800"}'))
    assert _client(studio).json_object("GET", PATH) == {"a": "\ufffd"}


def test_what_is_deleted_already_counts_as_done(studio: FakeServer) -> None:
    _client(studio).call("DELETE", PATH)
    assert [(asked.method, asked.path) for asked in studio.asked] == [("DELETE", PATH)]


def test_the_token_is_left_out(studio: FakeServer) -> None:
    studio.on(PATH, Reply.of({}))
    _client(studio).call("GET", PATH, login=False)
    assert studio.asked[0].authorization is None


@pytest.mark.parametrize(
    ("body", "detail", "fields"),
    [
        ({"detail": "no\n such"}, "no such", set()),
        (
            {"detail": "x", "validation_errors": {"url": ["bad", "worse"], "a": "b"}},
            "bad worse b",
            {"url", "a"},
        ),
        ({"detail": "x", "validation_errors": [{"task": ["gone"]}, "more"]}, "gone more", set()),
        ([1], "", set()),
    ],
)
def test_why_a_request_is_refused(studio: FakeServer, body: Any, detail: str, fields: set[str]) -> None:
    studio.on(PATH, Reply.of(body, 400))
    with pytest.raises(StudioRefusedError) as caught:
        _client(studio).call("POST", PATH)
    error = caught.value
    assert (error.status, error.detail, error.passing) == (400, detail, False)
    assert error.fields == frozenset(fields)
    assert f"Label Studio refused a request: 400 at {studio.url}{PATH}" in error.message
    assert "validation_errors" not in str(body) or error.message.endswith(f": {detail}")
    assert not fields or f": {', '.join(sorted(fields))}: {detail}" in error.message
    assert error.fix == ""


def test_a_page_of_something_else(studio: FakeServer) -> None:
    studio.on(PATH, Reply(404, b"<html>", {"Content-Type": "text/html"}))
    with pytest.raises(StudioRefusedError, match=r"404 at .*sub-path"):
        _client(studio).call("GET", PATH)


@pytest.mark.parametrize(("status", "blames", "error"), [
    (401, True, StudioAuthError),
    (401, False, StudioAuthError),
    (403, True, StudioAuthError),
    (403, False, StudioRefusedError),
])  # fmt: skip
def test_whose_fault_a_refusal_is(
    studio: FakeServer, status: int, blames: bool, error: type[StudioError]
) -> None:
    studio.on(PATH, Reply.of({"detail": "no"}, status))
    with pytest.raises(error) as caught:
        _client(studio, blames_token=blames).call("GET", PATH)
    assert type(caught.value) is error
    assert caught.value.status == status


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_it_waits_with_patience(studio: FakeServer, method: str) -> None:
    reasons: list[str] = []
    studio.sequence(PATH, *[Reply(502)] * 5, Reply.of({"id": 1}))
    assert _client(studio, retry_seconds=60, notify=reasons.append).call(method, PATH) == {"id": 1}
    assert f"cannot answer at the moment: 502 at {studio.url}{PATH}" in reasons[0]


def test_patience_ends(studio: FakeServer) -> None:
    studio.on(PATH, Reply(503))
    with pytest.raises(StudioUnavailable) as caught:
        _client(studio, retry_seconds=0).call("GET", PATH)
    assert (caught.value.status, caught.value.passing) == (503, True)


def test_without_patience_a_server_error_is_a_refusal(studio: FakeServer) -> None:
    studio.on(PATH, Reply.of({"detail": "boom"}, 500))
    with pytest.raises(StudioRefusedError, match="boom") as caught:
        _client(studio).call("POST", PATH)
    assert caught.value.passing


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_without_patience_a_change_is_sent_once(studio: FakeServer, method: str) -> None:
    studio.on(PATH, Reply(502))
    with pytest.raises(StudioRefusedError, match="502"):
        _client(studio).call(method, PATH, json={})
    assert len(studio.asked) == 1


@pytest.mark.parametrize("reply", [Reply(500), Reply(504), Reply(200, b"{", {}, 9), Reply(200, b"<html>")])
def test_a_post_that_may_have_been_carried_out_is_not_repeated(studio: FakeServer, reply: Reply) -> None:
    studio.on(PATH, reply)
    with pytest.raises(Unsure):
        _client(studio, retry_seconds=60).json_object("POST", PATH, json={})
    assert len(studio.asked) == 1


def test_a_post_that_was_not_carried_out_is_repeated(studio: FakeServer) -> None:
    studio.sequence(PATH, *[Reply(429), Reply(503)] * 3, Reply.of({"created": 1}))
    assert _client(studio, retry_seconds=60).json_object("POST", PATH, json={}) == {"created": 1}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "location", ["http://127.0.0.2:1/login", "ftp://host/", "http://[x", PATH, "https://{own}/"]
)
def test_a_wrong_redirect_is_raised_at_once(studio: FakeServer, method: str, location: str) -> None:
    own = studio.url.partition("//")[2]
    studio.on(PATH, Reply.to(location.format(own=own)))
    reasons: list[str] = []
    client = _client(studio, retry_seconds=60, notify=reasons.append)
    with pytest.raises(StudioError) as caught:
        client.call(method, PATH)
    assert type(caught.value) is StudioError
    assert not caught.value.passing
    assert reasons == []


def test_plain_http_behind_https_is_raised_at_once(studio: FakeServer) -> None:
    waited: list[float] = []
    http = Http(studio.url.replace("http://", "https://"), "t" * 40, sleep=waited.append)
    with pytest.raises(StudioError, match="does not speak TLS") as caught:
        ApiClient(http, retry_seconds=60).call("GET", PATH)
    assert type(caught.value) is StudioError
    assert waited == []


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate", StudioError),
        ("[SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca", StudioError),
        ("[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol", StudioUnavailable),
    ],
)
def test_a_broken_handshake_may_pass_but_no_wrong_certificate(text: str, error: type[StudioError]) -> None:
    unreached = unreachable("https://host", SSLError(text), StudioUnavailable, own=True)
    assert type(unreached) is error
    assert unreached.passing is (error is StudioUnavailable)
    assert ("not trusted" in unreached.message) is not unreached.passing


def test_the_path_of_a_request_says_nothing_about_the_certificate() -> None:
    """An error of requests has host and path in its text."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def close_connections() -> None:
            for _ in range(2):
                connection, _ = server.accept()
                with connection:
                    connection.recv(1 << 16)  # the client's first message, so that the end is no reset

        thread = threading.Thread(target=close_connections)
        thread.start()
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        for name in ("birth_certificate.png", "http_request.png"):
            with pytest.raises(SSLError) as caught:
                requests.get(f"{url}/{name}", timeout=30)
            unreached = unreachable(url, caught.value, StudioUnavailable, own=True)
            assert type(unreached) is StudioUnavailable
            assert "cannot be reached" in unreached.message
        thread.join(30)


def test_stop_ends_the_waiting(studio: FakeServer) -> None:
    waiting = threading.Event()
    studio.on(PATH, Reply(503))
    client = _client(studio, retry_seconds=600, notify=lambda reason: waiting.set())
    raised: list[Exception] = []

    def ask() -> None:
        try:
            client.call("GET", PATH)
        except Interrupted as error:
            raised.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    assert waiting.wait(30)
    client.stop()
    thread.join(30)
    assert raised
    with pytest.raises(Interrupted):
        client.call("GET", PATH)
