"""Addresses of this machine, and which of two are the same."""

import socket

import pytest

from label_studio_ml.connect.addresses import backend_url, checked, port_in, webhook_host_fits
from label_studio_ml.errors import SettingsError


def test_label_studio_on_this_machine() -> None:
    for url in (
        "http://localhost:8080",
        "http://127.0.0.1",
        f"http://{socket.gethostbyname('localhost')}:1/sub",
    ):
        assert backend_url(url, 9090) == "http://localhost:9090"


def test_label_studio_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    class Probe(socket.socket):
        def connect(self, address: object) -> None:
            assert address == ("192.0.2.7", 8080)

        def getsockname(self) -> tuple[str, int]:
            return ("192.0.2.1", 5)

        def getpeername(self) -> tuple[str, int]:
            return ("192.0.2.7", 8080)

    monkeypatch.setattr(socket, "socket", Probe)
    assert backend_url("http://192.0.2.7:8080", 9090) == "http://192.0.2.1:9090"


def test_label_studio_nowhere() -> None:
    with pytest.raises(SettingsError, match="Give --backend-url"):
        backend_url("http://no-such-host.invalid", 9090)


@pytest.mark.parametrize("url", ["http://host:99999", "http://[x"])
def test_label_studio_at_an_invalid_address(url: str) -> None:
    with pytest.raises(SettingsError, match=r"is not an http\(s\) address.*Correct --url"):
        backend_url(url, 9090)


def test_port_in_a_url() -> None:
    assert port_in("http://host:9091/x") == 9091
    assert [port_in(url) for url in ("http://host", "http://host:99999", "http://[x", "")] == [None] * 4


@pytest.mark.parametrize("url", ["host:9090", "ftp://host", "http://", "http://host:99999", "http://[x", ""])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(SettingsError, match="--backend-url"):
        checked(url)


def test_hosts_that_label_studio_takes() -> None:
    fits = ["http://localhost:1", "http://10.0.0.1", "http://a.b", "http://[::1]:1"]
    assert [webhook_host_fits(url) for url in (*fits, "http://ml-backend:9090")] == [True] * 4 + [False]
