"""Which Label Studio a `/setup` may name, with and without a login."""

import asyncio
import ipaddress
import logging
import threading
from pathlib import Path
from typing import Any

import pytest

from helpers import run, until
from label_studio_ml.config.settings import Settings
from label_studio_ml.protocol.requests import SetupRequest
from label_studio_ml.studio.addresses.private_addresses import Address
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.web.security import host_names, setup_host
from label_studio_ml.web.security.host_names import HostNames
from label_studio_ml.web.security.setup_host import ANY, SetupHosts, sender

HERE = "http://127.0.0.1:8080"
STRANGER = "203.0.113.9"


def setup(hostname: str = HERE, token: str = "token") -> SetupRequest:
    return SetupRequest(uid="1.1", label_config="", hostname=hostname, access_token=token, extra_params=None)


def changes(
    hosts: SetupHosts, request: SetupRequest, peer: str, known: Project | None = None
) -> dict[str, Any]:
    return run(hosts.changes(request, known, peer))


def hosts(login: bool = False, **settings: Any) -> SetupHosts:
    return SetupHosts(Settings(backend_dir=Path(), **settings), login=login)


def test_label_studio_on_the_same_machine_needs_no_setting() -> None:
    expected = {"hostname": HERE, "access_token": "token", "private": ("127.0.0.1",)}
    assert changes(hosts(), setup(), "127.0.0.1") == expected


def test_with_the_login_any_address_may_be_named() -> None:
    assert changes(hosts(login=True), setup("http://10.0.0.5"), STRANGER)["private"] == ANY


def test_with_label_studio_url_what_setup_says_is_not_asked() -> None:
    assert "private" not in changes(hosts(studio_url="http://10.0.0.5"), setup(), STRANGER)


def test_a_stranger_may_not_name_what_it_is_not(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    made = hosts()
    for _ in range(3):
        assert changes(made, setup(), STRANGER)["private"] == ()
    (line,) = [record.getMessage() for record in caplog.records]
    assert f"without a login from {STRANGER}" in line
    assert f"set LABEL_STUDIO_URL={HERE}" in line


def test_a_label_studio_with_a_public_address_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    assert changes(hosts(), setup("http://8.8.8.8"), STRANGER)["private"] == ()
    assert not caplog.records


KNOWN = Project(uid="1.1", hostname=HERE, access_token="token", private=("127.0.0.1",))


@pytest.mark.parametrize("hostname", [f"http://{STRANGER}", "http://10.0.0.5", HERE])
def test_a_stranger_does_not_take_the_place_of_a_label_studio_that_was_confirmed(
    hostname: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    assert changes(hosts(), setup(hostname, "a stranger's token"), STRANGER, KNOWN) == {}
    assert f"still read from {HERE}" in caplog.text
    assert "a stranger's token" not in caplog.text


def test_one_that_was_never_confirmed_may_be_replaced() -> None:
    known = Project(uid="1.1", hostname="http://10.0.0.5", access_token="token")
    assert changes(hosts(), setup(), "127.0.0.1", known)["private"] == ("127.0.0.1",)
    public = changes(hosts(), setup("http://10.0.0.6"), STRANGER, known)
    assert (public["hostname"], public["private"]) == ("http://10.0.0.6", ())


def test_a_label_studio_that_moves_on_this_machine_is_followed() -> None:
    moved = changes(hosts(), setup("http://127.0.0.1:8081", "new"), "127.0.0.1", KNOWN)
    assert moved == {"hostname": "http://127.0.0.1:8081", "access_token": "new", "private": ("127.0.0.1",)}


def test_a_label_studio_with_several_addresses_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    replicas = [ipaddress.ip_address(text) for text in ("10.0.0.7", "10.0.0.8")]
    monkeypatch.setattr(host_names, "addresses", lambda url: replicas)
    known = Project(uid="1.1", hostname="http://replicas", access_token="token", private=("10.0.0.7",))
    assert changes(hosts(), setup("http://replicas"), "10.0.0.8", known)["private"] == (
        "10.0.0.7",
        "10.0.0.8",
    )
    assert changes(hosts(), setup("http://replicas", "newer"), "10.0.0.7", known) == {
        "hostname": "http://replicas",
        "access_token": "newer",
    }


class SlowNames:
    """Lookups that end when `gate` is opened, and those that were begun."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, found: tuple[str, ...] = ("127.0.0.1",)) -> None:
        self.gate = threading.Event()
        self.asked: list[str] = []
        self.found = found
        monkeypatch.setattr(host_names, "addresses", self.look_up)
        monkeypatch.setattr(host_names, "LOOKUP_WAIT", 0.01)

    def look_up(self, url: str) -> list[Address]:
        self.asked.append(url)
        assert self.gate.wait(60)
        return [ipaddress.ip_address(text) for text in self.found]


def ask(request: SetupRequest, peer: str = "127.0.0.1", known: Project | None = None) -> Any:
    return request, known, peer


def test_a_name_that_is_not_found_in_time_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    names = SlowNames(monkeypatch)

    async def asked() -> None:
        made = hosts()
        assert (await made.changes(*ask(setup("http://slow.example"))))["private"] == ()
        monkeypatch.setattr(host_names, "LOOKUP_WAIT", 60.0)
        for path in range(20):  # answered at once, with nothing more to look up
            request = setup(f"http://slow.example/{path}")
            assert (await asyncio.wait_for(made.changes(*ask(request)), 30))["private"] == ()
        assert names.asked == ["http://slow.example"]
        names.gate.set()
        await until(lambda: not made._names._lookups, "the lookup has ended")
        assert (await made.changes(*ask(setup("http://slow.example"))))["private"] == ("127.0.0.1",)
        assert len(names.asked) == 1

    run(asked())


def test_that_a_host_has_no_address_is_remembered_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    names, now = SlowNames(monkeypatch, found=()), [1000.0]
    monkeypatch.setattr(host_names, "LOOKUP_WAIT", 60.0)
    monkeypatch.setattr(host_names, "monotonic", lambda: now[0])
    names.gate.set()

    async def asked(made: HostNames) -> None:
        for _ in range(5):
            assert await made.find("http://nowhere.example") == []
        assert len(names.asked) == 1
        now[0] += host_names.FAILURE_LIFE + 0.1
        assert await made.find("http://nowhere.example") == []
        assert len(names.asked) == 2

    run(asked(HostNames()))


def test_requests_for_many_slow_names_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    names = SlowNames(monkeypatch)

    async def asked() -> None:
        made = HostNames()
        for number in range(100):
            assert await made.find(f"http://{number}.example") is None
        assert len(made._lookups) <= host_names.MAX_LOOKUPS
        names.gate.set()
        await until(lambda: not made._lookups, "all lookups have ended")
        assert len(names.asked) <= host_names.MAX_LOOKUPS
        assert await made.find("http://0.example") == [ipaddress.ip_address("127.0.0.1")]

    run(asked())


NAMED = Project(uid="1.1", hostname="http://ls.example", access_token="token", private=("127.0.0.1",))


@pytest.mark.parametrize("token", ["token", "rotated"])
def test_a_confirmed_host_that_asks_again_is_not_looked_up(
    monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    names = SlowNames(monkeypatch)
    names.gate.set()
    request = setup("http://ls.example", token)
    assert changes(hosts(), request, "127.0.0.1", NAMED) == {
        "hostname": "http://ls.example",
        "access_token": token,
    }
    assert names.asked == []


def test_a_rotated_token_of_a_confirmed_host_is_kept_where_its_name_is_not_found_in_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    names = SlowNames(monkeypatch)
    known = Project(uid="1.1", hostname="http://ls.example", access_token="token", private=("10.0.0.7",))

    async def asked() -> None:
        made, request = hosts(), setup("http://ls.example", "rotated")
        told = {"hostname": "http://ls.example", "access_token": "rotated"}
        assert await made.changes(*ask(request, "127.0.0.1", known)) == told, "from this machine"
        assert await made.changes(*ask(request, "10.0.0.7", known)) == told, "from the confirmed address"
        assert not caplog.records
        assert await made.changes(*ask(request, "10.0.0.8", known)) == {}, "from elsewhere"
        assert "whose address was not found in time: its token is not used yet" in caplog.text
        assert "rotated" not in caplog.text
        names.gate.set()

    run(asked())


def test_a_token_of_a_stranger_is_not_taken_where_the_name_is_not_found_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = SlowNames(monkeypatch)

    async def asked() -> None:
        for known in (NAMED, Project(uid="1.1", hostname="http://ls.example", access_token="t", private=ANY)):
            for peer in (STRANGER, ""):
                request = setup("http://ls.example", "a stranger's")
                assert await hosts().changes(*ask(request, peer, known)) == {}
        names.gate.set()

    run(asked())


@pytest.mark.parametrize("header", ["forwarded", "x-forwarded-for", "x-real-ip", "via"])
def test_what_a_proxy_sends_on_comes_from_nobody_that_is_known(header: str) -> None:
    assert sender("127.0.0.1", {"host": "localhost", header: "10.0.0.1"}) == ""
    assert sender("127.0.0.1", {"host": "localhost"}) == "127.0.0.1"


@pytest.mark.parametrize(
    ("peer", "host", "local"),
    [
        ("127.0.0.1", "localhost:9090", True),
        ("127.0.0.1", "127.0.0.1:9090", True),
        ("::1", "[::1]:9090", True),
        ("::ffff:127.0.0.1", "ml.localhost", True),
        ("127.0.0.1", "host.docker.internal:9090", True),
        ("127.0.0.1", "host.containers.internal", True),
        ("127.0.0.1", "ml.example.com", False),
        ("127.0.0.1", "192.168.1.5", False),
        ("127.0.0.1", "203.0.113.5:443", False),
        ("127.0.0.1", "backend", False),
        ("127.0.0.1", "localhost.evil.example", False),
        ("127.0.0.1", "", False),
        ("172.17.0.2", "host.docker.internal:9090", True),
        ("172.17.0.2", "172.17.0.1:9090", True),
        ("172.17.0.2", "backend:9090", True),
        ("172.17.0.2", "ml.example.com", False),
    ],
)
def test_a_proxy_on_this_machine_that_says_nothing_is_known_by_the_host(
    peer: str, host: str, local: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        setup_host, "local_caller", lambda peer: True
    )  # no machine of the tests has containers
    assert sender(peer, {"host": host}) == (peer.removeprefix("::ffff:") if local else "")
    request = setup("http://127.0.0.1:6379")
    if peer == "127.0.0.1":
        private = changes(hosts(), request, sender(peer, {"host": host}))["private"]
        assert private == (("127.0.0.1",) if local else ())
        kept = changes(hosts(), setup("http://127.0.0.1:1"), sender(peer, {"host": host}), KNOWN)
        assert (kept == {}) is not local


@pytest.mark.parametrize("host", ["10.0.0.5:9090", "ml.example.com", "backend"])
def test_callers_on_other_machines_may_use_any_name_of_this_one(host: str) -> None:
    assert sender(STRANGER, {"host": host}) == STRANGER
