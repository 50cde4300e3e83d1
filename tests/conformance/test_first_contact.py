"""What is said of addresses where there is no ML backend."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import certificates
from label_studio_ml.conformance.first_contact import NoBackend, first_contact
from studio.fake import FakeServer, Reply

from .fake_backend import html
from .trials import trial_of


@pytest.fixture
def server() -> Iterator[FakeServer]:
    fake = FakeServer()
    yield fake
    fake.stop()


def refusal(url: str) -> str:
    with pytest.raises(NoBackend) as raised:
        first_contact(trial_of(url))
    assert raised.value.fix
    return raised.value.message


def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    assert refusal(url) == f"No backend answers at {url}: nothing listens at this address"


def test_an_unknown_host() -> None:
    assert "the host name is not known" in refusal("http://nosuch.invalid:9090")


def test_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    with certificates.https_server(certificates.make(tmp_path)) as url:
        assert "is not trusted on this machine" in refusal(url)


def test_https_where_http_is_spoken(server: FakeServer) -> None:
    assert "does not speak HTTPS" in refusal(server.url.replace("http:", "https:"))


def test_a_label_studio(server: FakeServer) -> None:
    server.on("/health", Reply.of({"status": "UP"}))
    server.on("/setup", html(404))
    server.on(
        "/api/version", Reply.of({"release": "1.23.2", "label-studio-os-package": {"version": "1.23.2"}})
    )
    assert refusal(server.url) == f"{server.url} is a Label Studio, not an ML backend"


def test_a_web_site(server: FakeServer) -> None:
    for path in ("/health", "/setup", "/api/version"):
        server.on(path, html(200))
    assert "answers with web pages" in refusal(server.url)


def test_a_wrong_path(server: FakeServer) -> None:
    assert "are answered 404" in refusal(f"{server.url}/wrong")


def test_a_login_in_the_address_is_not_shown(server: FakeServer) -> None:
    server.on("/health", Reply.of({}, 401))
    server.on("/setup", Reply.of({}, 401))
    assert "CANARY" not in refusal(server.url.replace("//", "//me:CANARY@"))


def test_a_backend_whose_answers_are_cut_off_is_checked_further(server: FakeServer) -> None:
    for path in ("/health", "/setup"):
        server.on(path, Reply(200, b"{}", cut=3))
    trial = trial_of(server.url)
    first_contact(trial)
    assert trial.health is not None
    assert "ends too early" in trial.health.failure


def test_a_backend_that_fails_is_checked_further(server: FakeServer) -> None:
    server.on("/health", Reply.of({}, 500))
    server.on("/setup", Reply.of({}, 500))
    trial = trial_of(server.url)
    first_contact(trial)
    assert trial.setup is not None
    assert trial.setup.status == 500
