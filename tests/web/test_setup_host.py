"""Which Label Studio a `/setup` may name, with and without a login."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from helpers import run
from label_studio_ml.protocol import SetupRequest
from label_studio_ml.settings import Settings
from label_studio_ml.versions.state import Project
from label_studio_ml.web import setup_host
from label_studio_ml.web.calls import Call
from label_studio_ml.web.setup_host import ANY, SetupHosts, sender

HERE = "http://127.0.0.1:8080"
STRANGER = "203.0.113.9"


def setup(hostname: str = HERE, token: str = "token") -> SetupRequest:
    return SetupRequest(uid="1.1", label_config="", hostname=hostname, access_token=token, extra_params=None)


def changes(
    hosts: SetupHosts, request: SetupRequest, peer: str, known: Project | None = None
) -> dict[str, Any]:
    return run(hosts.changes(request, known, Call("POST", "/setup", "", b"", peer=peer)))


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
    monkeypatch.setattr(setup_host, "private_addresses", lambda url, peer: (peer,))
    known = Project(uid="1.1", hostname="http://replicas", access_token="token", private=("10.0.0.7",))
    assert changes(hosts(), setup("http://replicas"), "10.0.0.8", known)["private"] == (
        "10.0.0.7",
        "10.0.0.8",
    )
    assert changes(hosts(), setup("http://replicas", "newer"), "10.0.0.7", known) == {
        "hostname": "http://replicas",
        "access_token": "newer",
    }


def test_a_name_that_is_not_found_in_time_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup_host, "PATIENCE", 0.01)

    async def asked() -> dict[str, Any]:
        made, gate = hosts(), asyncio.Event()

        async def never(*_: object) -> tuple[str, ...]:
            await gate.wait()
            return ANY

        monkeypatch.setattr(made._threads, "run", never)
        return await made.changes(setup(), None, Call("POST", "/setup", "", b"", peer="127.0.0.1"))

    assert run(asked())["private"] == ()


@pytest.mark.parametrize("header", ["forwarded", "x-forwarded-for", "x-real-ip", "via"])
def test_what_a_proxy_sends_on_comes_from_nobody_that_is_known(header: str) -> None:
    assert sender("127.0.0.1", {header: "10.0.0.1"}) == ""
    assert sender("127.0.0.1", {"host": "localhost"}) == "127.0.0.1"
