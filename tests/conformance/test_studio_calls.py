"""How the calls are sent: headers, logins, retries; and what is said where no answer comes."""

import base64
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import BinaryIO

import pytest
import requests

from helpers import captured
from label_studio_ml.conformance.studio_calls import Limits, StudioCalls
from label_studio_ml.conformance.transport.bounded_call import Endless, bounded_call
from label_studio_ml.conformance.transport.studio_session import StudioSession
from studio.fake import Asked, FakeServer, Reply

HEADERS = ("user-agent", "accept", "accept-encoding", "connection", "content-type", "authorization")


#: Bodies whose end is missing, and what is said of them.
CUT_OFF = [
    (part, f"JSON that ends too early, after {len(part)} bytes") for part in (b'{"a": [1, ', b'{"a": "te')
]


@pytest.fixture
def server() -> Iterator[FakeServer]:
    fake = FakeServer()
    for path in ("/health", "/setup", "/webhook"):
        fake.on(path, Reply.of({"ok": True}))
    yield fake
    fake.stop()


def not_http(stream: BinaryIO) -> None:
    stream.write(b"SSH-2.0-x\r\n")


def sent(asked: Asked) -> dict[str, str]:
    return {name: value for name, value in asked.headers.items() if name in HEADERS}


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


@pytest.mark.parametrize("name", ["health", "setup", "setup_basic_auth", "webhook_START_TRAINING"])
def test_the_headers_are_those_of_the_captured_calls(server: FakeServer, name: str) -> None:
    real = captured(name)
    with_login = "basic_auth" in name
    calls = StudioCalls(server.url, ("me", "secret") if with_login else None)
    answer = calls.get(real.path, 30) if real.method == "GET" else calls.post(real.path, real.json, 30)
    (asked,) = server.asked
    assert not answer.is_error
    assert (asked.method, asked.path) == (real.method, real.path)
    assert sent(asked)["user-agent"].partition("/")[0] == real.agent.partition("/")[0] == "heartex"
    assert asked.headers.get("content-type") == ("application/json" if real.json is not None else None)
    assert asked.authorization == (basic("me", "secret") if with_login else None)


def test_an_event_has_no_login_unless_the_address_has_one(server: FakeServer) -> None:
    StudioCalls(server.url, ("me", "secret"), Limits(webhook=30)).event({"action": "PROJECT_UPDATED"})
    within = server.url.replace("//", "//you:other@")
    StudioCalls(within, limits=Limits(webhook=30)).event({"action": "PROJECT_UPDATED"})
    first, second = server.asked
    assert (first.path, first.authorization) == ("/webhook", None)
    assert first.headers["user-agent"].startswith("python-requests/")
    assert second.authorization == basic("you", "other")


def test_another_login_replaces_the_one_in_the_address(server: FakeServer) -> None:
    calls = StudioCalls(server.url.replace("//", "//you:other@")).with_login(None)
    calls.get("/health", 30)
    assert server.asked[0].authorization is None


def test_a_path_in_the_address_is_kept(server: FakeServer) -> None:
    StudioCalls(f"{server.url}/models/one/").get("/health", 30)
    assert server.paths() == ["/models/one/health"]


def test_a_get_without_an_answer_is_asked_three_times_and_a_post_once(server: FakeServer) -> None:
    server.on("/health", Reply(raw=lambda stream: None))
    server.on("/setup", Reply(raw=lambda stream: None))
    calls = StudioCalls(server.url)
    health, setup = calls.get("/health", 30), calls.post("/setup", {}, 30)
    assert server.paths() == ["/health"] * 3 + ["/setup"]
    assert "closed without an answer" in health.failure
    assert "closed without an answer" in setup.failure
    assert not setup.timed_out


def test_a_late_answer_is_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        calls = StudioCalls(f"http://127.0.0.1:{silent.getsockname()[1]}")
        answers = [calls.get("/health", 0.1), calls.post("/setup", {}, 0.1)]
    assert [answer.failure for answer in answers] == [
        "no answer within 0.1 s, asked 3 times",
        "no answer within 0.1 s",
    ]
    assert all(answer.timed_out and answer.is_error for answer in answers)


def test_nothing_listens_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    answer = StudioCalls(f"http://127.0.0.1:{port}").get("/health", 5)
    assert answer.failure == "nothing listens at this address"
    assert answer.unreachable
    assert not answer.timed_out


def test_redirects_are_followed_and_said(server: FakeServer) -> None:
    server.on("/old", Reply.to("/setup", 307))
    server.on("/lost", Reply.to("/v2/lost"))
    server.on("/round", Reply.to("/round"))
    calls = StudioCalls(server.url)
    kept, lost, endless = (calls.post(path, {}, 30) for path in ("/old", "/lost", "/round"))
    assert not kept.is_error
    assert not kept.lost_body
    assert "after a redirect (307)" in str(kept)
    assert lost.lost_body
    assert endless.failure == "redirects without an end"


def test_the_page_of_an_error_is_no_lost_body(server: FakeServer) -> None:
    """Our own server answers errors to Label Studio's client with a redirect, whose address has the cause."""
    server.on("/setup", Reply.to("/problem/500/cause-in-setup", 303))
    server.on("/problem/500/cause-in-setup", Reply.of({"detail": "cause"}, 500))
    answer = StudioCalls(server.url).post("/setup", {}, 30)
    assert (answer.status, answer.lost_body) == (500, False)


def test_constants_that_json_does_not_have_are_noticed(server: FakeServer) -> None:
    server.on("/health", Reply(200, b"[NaN, 1, -Infinity, NaN]"))
    body = StudioCalls(server.url).get("/health", 30).body()
    assert (body.value, body.constants) == ([None, 1, None, None], ("NaN", "-Infinity"))


@pytest.mark.parametrize(
    ("reply", "failure", "fix"),
    [
        (Reply(200, b"{}", cut=5), "ends too early", "Content-Length"),
        (Reply(raw=lambda stream: None), "closed without an answer", "may have ended"),
        (Reply(raw=not_http), "not HTTP", "Correct the port"),
        (Reply.to("/health", 307), "redirects without an end", "Correct the redirects"),
    ],
    ids=["cut off", "closed", "not HTTP", "redirects"],
)
def test_an_answer_that_is_none_says_why_and_what_to_do(
    server: FakeServer, reply: Reply, failure: str, fix: str
) -> None:
    """Something listens there, so that it is not said that nothing does."""
    server.on("/health", reply)
    answer = StudioCalls(server.url).get("/health", 30)
    assert failure in answer.failure
    assert fix in answer.failure_fix
    assert not answer.unreachable


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"", "empty"), (b"<!DOCTYPE html><p>x", "a web page"), (b"ok", "not JSON, beginning 'ok'"), *CUT_OFF],
)
def test_what_a_body_is_instead_of_json(server: FakeServer, content: bytes, error: str) -> None:
    server.on("/health", Reply(200, content))
    assert error in StudioCalls(server.url).get("/health", 30).body().error


def test_a_call_in_the_background_that_breaks_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(StudioCalls, "_call", broken)
    calls = StudioCalls("http://127.0.0.1:1")
    waiting = threading.Thread(target=calls.post_in_background, args=("/predict", {}, 3600), daemon=True)
    waiting.start()
    waiting.join(60)
    assert not waiting.is_alive()


def drip(head: bytes, part: bytes, pause: float) -> Reply:
    """Answer with `head`, and then `part` again and again until the client closes the connection."""

    def write(stream: BinaryIO) -> None:
        with contextlib.suppress(OSError):
            stream.write(head)
            while True:
                stream.write(part)
                stream.flush()
                time.sleep(pause)

    return Reply(raw=write)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "reply",
    [
        drip(CHUNKED, b"1\r\n \r\n", 0.0),
        drip(CHUNKED, b"1\r\n \r\n", 0.05),
        drip(b"HTTP/1.1 200 OK\r\n\r\n", b" ", 0.05),
        drip(b"HTTP/1.1 200 OK\r\nX: ", b"x", 0.05),
    ],
    ids=["fast", "slow", "no-length", "header"],
)
def test_an_answer_without_an_end_is_given_up(server: FakeServer, reply: Reply) -> None:
    server.on("/setup", reply)
    answer = StudioCalls(server.url, limits=Limits(connect=0.1, rest=0.1)).post("/setup", {}, 0.3)
    assert answer.failure == "an answer that has not ended after 1 s"
    assert "reads as long as it goes on" in answer.hang
    assert (answer.is_error, answer.unreachable) == (True, False)


def test_an_answer_that_is_too_large_is_given_up(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_call, "__defaults__", (1 << 20,))
    server.on("/setup", drip(CHUNKED, b"20000\r\n" + b" " * 0x20000 + b"\r\n", 0.0))
    answer = StudioCalls(server.url, limits=Limits(connect=30)).post("/setup", {}, 30)
    assert "not ended after 1 MiB" in answer.failure
    assert "return less for a task" in answer.failure_fix


def test_a_body_that_stops_is_no_server_that_is_away(server: FakeServer) -> None:
    release = threading.Event()

    def write(stream: BinaryIO) -> None:
        stream.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")
        stream.flush()
        release.wait(30)

    server.on("/setup", Reply(raw=write))
    server.on("/health", Reply(200, b"no gzip", {"Content-Encoding": "gzip"}))
    calls = StudioCalls(server.url, limits=Limits(connect=30))
    answer = calls.post("/setup", {}, 0.2)
    release.set()
    assert (answer.timed_out, answer.unreachable) == (True, False)
    assert not calls.get("/health", 30).unreachable


@pytest.mark.parametrize(
    ("content_type", "content", "value"),
    [
        ("text/plain", '["é"]'.encode("latin-1"), ["é"]),
        ("application/json", '["é"]'.encode("latin-1"), ["\ufffd"]),
        ("application/json; charset=latin-1", '["é"]'.encode("latin-1"), ["é"]),
        ("x/y", '["é"]'.encode("utf-16"), ["é"]),
    ],
)
def test_bodies_are_decoded_as_by_the_library_of_label_studio(
    server: FakeServer, content_type: str, content: bytes, value: list[str]
) -> None:
    server.on("/health", Reply(200, content, {"Content-Type": content_type}))
    answer = StudioCalls(server.url).get("/health", 30)
    assert answer.body().value == value == requests.get(f"{server.url}/health", timeout=30).json()
    assert not answer.is_utf8


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("http://[::1", "cannot read"),
        ("ftp://host/setup", "a redirect to ftp://host/setup: no address of a web server"),
        ("http://127.0.0.1:9/setup", "a redirect to http://127.0.0.1:9/setup: nothing listens"),
    ],
)
def test_a_redirect_that_leads_nowhere_is_no_server_that_is_away(
    server: FakeServer, target: str, said: str
) -> None:
    server.on("/setup", Reply.to(target, 307))
    answer = StudioCalls(server.url).post("/setup", {}, 30)
    assert said in answer.failure
    assert not answer.unreachable


def test_secrets_in_redirects_are_not_shown(server: FakeServer) -> None:
    within = server.url.replace("//", "//me:pass-word@")
    server.on("/setup", Reply.to(f"{within}/end?token=to-ken", 307))
    server.on("/health", Reply.to("http://me:pass-word@127.0.0.1:9/?token=to-ken", 307))
    server.on("/end", Reply.of({}))
    calls = StudioCalls(server.url)
    shown = f"{calls.post('/setup', {}, 30)} {calls.get('/health', 30)}"
    assert "redirect (307) to" in shown
    assert "a redirect to" in shown
    assert "pass-word" not in shown
    assert "to-ken" not in shown


def test_the_body_of_a_redirect_is_limited_too() -> None:
    """`requests` reads it whole, into memory, before it follows the redirect."""
    fake = FakeServer()
    head = f"HTTP/1.1 307 x\r\nLocation: {fake.url}/end\r\nTransfer-Encoding: chunked\r\n\r\n"
    fake.on("/setup", drip(head.encode(), b"20000\r\n" + b" " * 0x20000 + b"\r\n", 0.0))
    try:
        with StudioSession(0, 60, max_bytes=1 << 20) as session, pytest.raises(Endless, match="1 MiB"):
            session.post(f"{fake.url}/setup", timeout=60)
    finally:
        fake.stop()


def test_a_long_wait_that_a_get_is_asked_for_is_said_and_not_waited_for(server: FakeServer) -> None:
    """Label Studio's client waits as long as Retry-After says, whatever its time limits."""
    server.on("/health", Reply(503, b"{}", {"Retry-After": "3600"}))
    answer = StudioCalls(server.url).get("/health", 30)
    assert "503" in answer.failure
    assert answer.failure.endswith("with Retry-After: 3600 s")
    assert "waits so long" in answer.hang
    assert not answer.unreachable
    assert len(server.asked) == 1


def test_a_wait_that_is_no_number_is_said(server: FakeServer) -> None:
    server.on("/health", Reply(503, b"{}", {"Retry-After": "soon"}))
    answer = StudioCalls(server.url).get("/health", 30)
    assert "Retry-After that is neither a number of seconds nor a date" in answer.failure
    assert not answer.unreachable


def test_a_server_that_asks_for_short_waits_is_asked_again(server: FakeServer) -> None:
    server.sequence("/health", Reply(503, b"{}", {"Retry-After": "0"}), Reply.of({"status": "UP"}))
    assert StudioCalls(server.url).get("/health", 30).status == 200
    server.on("/health", Reply(503, b"{}", {"Retry-After": "0"}))
    answer = StudioCalls(server.url).get("/health", 30)
    assert (answer.status, answer.failure) == (503, "")


def test_json_with_the_content_type_of_a_page_is_no_page(server: FakeServer) -> None:
    for content, is_page in ((b'{"detail": "wrong"}', False), (b"wrong", True)):
        server.on("/health", Reply(400, content, {"Content-Type": "text/html"}))
        assert StudioCalls(server.url).get("/health", 30).is_html is is_page
