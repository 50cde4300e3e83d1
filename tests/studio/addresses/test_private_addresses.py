"""Which private addresses a caller without login may name."""

import ipaddress
import socket
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.config.file_settings import FileSettings
from label_studio_ml.errors import FileFetchError, StudioError
from label_studio_ml.studio.addresses import private_addresses as module
from label_studio_ml.studio.addresses.private_addresses import (
    addresses,
    is_loopback,
    local_caller,
    private_addresses,
)
from label_studio_ml.studio.client import StudioClient
from label_studio_ml.studio.files.fetch import FileAccess
from studio.fake import FakeServer, Reply

#: What names stand for in these tests.
NAMES = {
    "localhost": ["127.0.0.1", "::1"],
    "label-studio": ["172.18.0.3"],
    "replicas": ["10.0.0.7", "10.0.0.8"],
    "rebinding": ["203.0.113.9", "10.0.0.5"],
    "elsewhere": ["10.0.0.5"],
}


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    known = {name: list(found) for name, found in NAMES.items()}

    def look_up(host: str, port: Any, *_: Any, **__: Any) -> list[Any]:
        try:
            found = known.get(host) or [str(ipaddress.ip_address(host))]
        except ValueError:
            raise socket.gaierror("no such name") from None
        return [(None, None, None, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


@pytest.mark.parametrize(
    ("url", "peer", "expected"),
    [
        ("http://localhost:8080", "127.0.0.1", ("127.0.0.1", "::1")),
        ("http://localhost:8080", "::1", ("127.0.0.1", "::1")),
        ("http://127.0.0.1:8080/ls", "::ffff:127.0.0.1", ("127.0.0.1",)),
        ("http://[::1]:8080", "127.0.0.1", ("::1",)),
        ("http://label-studio:8080", "172.18.0.3", ("172.18.0.3",)),
        ("http://label-studio:8080", "172.18.0.4", ()),
        ("http://replicas", "10.0.0.8", ("10.0.0.8",)),
        ("http://rebinding", "203.0.113.9", ("203.0.113.9",)),
        ("http://elsewhere", "127.0.0.1", ()),
        ("http://10.0.0.5", "203.0.113.9", ()),
        ("http://localhost", "203.0.113.9", ()),
        ("http://localhost", "10.0.0.5", ()),
        ("http://127.0.0.1", "", ()),
        ("http://nowhere", "127.0.0.1", ()),
        ("http://", "127.0.0.1", ()),
        ("http://[", "127.0.0.1", ()),
        ("http://0x7f000001", "127.0.0.1", ()),
        ("nonsense", "127.0.0.1", ()),
        ("http://localhost", "a socket", ()),
    ],
)
def test_a_caller_may_name_only_itself(
    names: dict[str, list[str]], url: str, peer: str, expected: tuple[str, ...]
) -> None:
    assert private_addresses(addresses(url), peer) == expected


def test_a_container_on_this_machine_may_name_this_machine(
    names: dict[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Label Studio in a container publishes its port, and calls itself http://localhost:8080."""
    routes = tmp_path / "route"
    head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
    line = "{}\t{}\t00000000\t0001\t0\t0\t0\t{}\t0\t0\t0\n"
    routes.write_text(
        head + line.format("eth0", "0000000A", "000000FF") + line.format("docker0", "000011AC", "0000FFFF")
    )
    monkeypatch.setattr(module, "_ROUTES", routes)
    assert private_addresses(addresses("http://localhost:8080"), "172.17.0.2") == ("127.0.0.1", "::1")
    assert local_caller("172.17.0.2")
    assert private_addresses(addresses("http://localhost:8080"), "10.0.0.2") == (), (
        "of another machine's network"
    )
    assert private_addresses(addresses("http://elsewhere"), "172.17.0.2") == ()
    assert not local_caller("172.18.0.2")


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("127.0.0.9", True),
        ("::ffff:127.0.0.1", True),
    ],
)
def test_is_loopback(address: str, loopback: bool) -> None:
    assert is_loopback(address) is loopback


def _access(tmp_path: Path, url: str, *private: str, rules: FileSettings | None = None) -> FileAccess:
    return FileAccess(
        studio_url=url,
        token="C4NARY",
        cache_dir=tmp_path / "cache",
        studio_private=private,
        rules=rules or FileSettings(),
    )


def test_what_nobody_has_confirmed_is_not_asked(tmp_path: Path) -> None:
    server = FakeServer()
    server.on("/data/upload/1/a.txt", Reply(body=b"a secret of this machine"))
    try:
        access = _access(tmp_path, server.url)
        for url in ("/data/upload/1/a.txt", f"{server.url}/data/upload/1/a.txt"):
            with pytest.raises(FileFetchError, match="nobody has confirmed") as caught:
                access.local_path(url)
            assert caught.value.field == "LABEL_STUDIO_URL"
            assert f"Set LABEL_STUDIO_URL={server.url}" in str(caught.value)
        with pytest.raises(StudioError, match="nobody has confirmed"):
            StudioClient(server.url, "C4NARY", own_private=()).project(1)
        with pytest.raises(FileFetchError, match="nobody has confirmed"):
            access.check_studio()
        assert server.asked == []
        allowed = _access(tmp_path, server.url, "127.0.0.1")
        allowed.check_studio()
        assert Path(allowed.local_path("/data/upload/1/a.txt")).read_bytes() == b"a secret of this machine"
        by_rule = _access(tmp_path / "b", server.url, rules=FileSettings(private=("127.0.0.1",)))
        assert Path(by_rule.local_path("/data/upload/1/a.txt")).exists()
    finally:
        server.stop()


def test_a_name_that_stands_for_another_address_later_is_refused(tmp_path: Path) -> None:
    """It was confirmed at 127.0.0.2; what counts is the address that the connection has."""
    server = FakeServer()
    server.on("/data/upload/1/a.txt", Reply(body=b"a secret of this machine"))
    try:
        with pytest.raises(FileFetchError, match="nobody has confirmed"):
            _access(tmp_path, server.url, "127.0.0.2").local_path("/data/upload/1/a.txt")
        assert server.asked == []
    finally:
        server.stop()
