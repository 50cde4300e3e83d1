"""Mutated requests given to the connection itself, over a fake transport: many more than go over sockets.

Connection, request reader, admission, login and refusals are those of a backend; the routes are fakes. Each
answer of a route says which request it is for, so that its method and its body are compared with what h11 reads.

`SOAK_INPUTS` is how many there are under `make soak` (a million), `SOAK_SEED` where they begin.
"""

import asyncio
import logging
import os
import random
import re
import socket
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import api_answers
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import Overloaded
from label_studio_ml.http_server.messages import Call, Response, json_response
from label_studio_ml.http_server.server_state import ServerState
from label_studio_ml.versions.state.project_state import Projects
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.web.project_registry import ProjectRegistry
from label_studio_ml.web.routes.endpoints import Endpoints

from .answers import Answers, describe, parse, wrong
from .fake_transport import exchange
from .mutations import Mutator, Reading, read
from .processes import Found, spread

HOST = "127.0.0.1:9090"
LOGIN = "Basic bWU6c2VjcmV0"
#: Seeds whose inputs are given to connections of one event loop.
AT_ONCE = 10

_NUMBER = re.compile(rb"\r\nX-Number: (\d+)")


class FakeRoutes:
    """What answers every route: at once, later, or by a refusal. It keeps the requests of one input."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.asked: list[tuple[str, bytes]] = []

    async def answer(self, call: Call) -> Response:
        """Answer with the number of the request."""
        number = len(self.asked)
        self.asked.append((call.method, call.body))
        for _ in range(self.chance.choice((0, 0, 1, 3))):
            await asyncio.sleep(0)
        if call.gone is not None:
            call.gone()
        if self.chance.random() < 0.05:
            raise Overloaded("There is too much to do", fix="Send it again later")
        return json_response(200, {}, {"X-Number": f"{number}"})


class Logged(logging.Handler):
    """Keeps what is logged with a traceback."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.tracebacks: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record's traceback."""
        if record.exc_info:
            self.tracebacks.append(self.format(record))


def make_site(folder: Path, routes: FakeRoutes, *, login: bool) -> ServerState:
    """Return a site with the endpoints of a backend, all of whose routes are fakes."""
    settings = Settings(
        backend_dir=folder,
        model_dir=folder,
        basic_auth_user="me" if login else "",
        basic_auth_pass="secret" if login else "",
    )
    nothing = cast("Any", None)  # what only the routes use
    pool = cast("Any", SimpleNamespace(registry=nothing))
    projects = ProjectRegistry(Projects(folder))
    endpoints = Endpoints(settings, pool, VersionStore(folder), projects, nothing, nothing)
    api_answers.WITH_FAKE_ROUTES.add(endpoints)
    endpoints.access.loopback = True
    endpoints._routes = dict.fromkeys(endpoints._routes, routes.answer)
    site = ServerState(endpoints, 20_000)
    site.date = b"date: x\r\n"
    return site


def compare(reading: Reading, answers: Answers, asked: list[tuple[str, bytes]]) -> str:
    """Return what is wrong with the answers to an input, nothing if they are right."""
    for place, head in enumerate(answers.heads):
        if number := _NUMBER.search(head):
            if place >= len(reading.bodies):
                return f"request {place} was handled, h11 has no such: {reading}"
            method, body = asked[int(number[1])]
            if method.encode() != reading.methods[place] or body != reading.bodies[place]:
                return f"request {place} is {method} {body[:200]!r}, for h11 {reading.bodies[place][:200]!r}"
    return wrong(reading, answers)


def cut_off(reading: Reading, answers: Answers, login: str, *, reads: bool) -> str:
    """Return what is wrong with a connection that was cut off after `answers`, nothing if the server has to do that.

    It has to where a body without the login would wait for a client that has stopped reading: others need its room.
    `login` is what the backend asks for, empty if it asks for none; `reads` is false for a client that stops reading.
    """
    waiting = slice(len(answers.statuses), None)
    sent = zip(reading.bodies[waiting], reading.logins[waiting], strict=True)
    if login and not reads and any(body and given != login.encode() for body, given in sent):
        return ""
    return f"the connection was cut off after {answers.statuses}: {reading}"


async def _work(folder: Path, seed: int, count: int, logged: Logged) -> Found:
    """Give inputs to connections of one site, one after the other."""
    chance = random.Random(f"connection {seed}")
    login = seed % 2 == 0
    routes = FakeRoutes(chance)
    site = make_site(folder, routes, login=login)
    mutator = Mutator(seed, HOST, LOGIN if login else "")
    found = Found()
    ours, theirs = socket.socketpair()
    for number in range(count):
        one = mutator.next()
        reading = read(one.stream, one.sentinel, one.intact)
        routes.asked.clear()
        try:
            received = await exchange(site, one, chance, ours)
            answers = parse(received.data, one.sentinel, reading.methods)
        except AssertionError as error:
            said = str(error)
            site = make_site(
                folder, routes, login=login
            )  # what is left behind of one is no fault of the next
        else:
            said = ""
            if received.cut_off:
                found.counts["cut off"] += 1
                said = cut_off(reading, answers, LOGIN if login else "", reads=received.reads)
                answers = replace(answers, closed=True)  # no more are to come
            said = said or compare(reading, answers, routes.asked)
            found.counts.update(map(str, answers.statuses))
        if said or logged.tracebacks:
            found.wrongs.append(describe(seed, number, one, said + "".join(logged.tracebacks)))
            logged.tracebacks.clear()
        found.counts["inputs"] += 1
    ours.close()
    theirs.close()
    return found


async def _at_once(folder: Path, seed: int, count: int, logged: Logged) -> Found:
    """Let several sites share the turns of one event loop: most of its time is not spent in a turn of one of them."""
    seeds = range(seed * AT_ONCE, seed * AT_ONCE + AT_ONCE)
    total = Found()
    for found in await asyncio.gather(*(_work(folder, one, count // AT_ONCE, logged) for one in seeds)):
        total.add(found)
    return total


def work(folder: Path, seed: int, count: int) -> Found:
    """Give inputs of `AT_ONCE` seeds to connections and check every answer."""
    logged = Logged()
    logging.getLogger().addHandler(logged)
    logging.getLogger().setLevel(logging.ERROR)
    logging.getLogger("label_studio_ml.web.routes.endpoints").setLevel(
        logging.CRITICAL
    )  # thousands of refusals
    try:
        return asyncio.run(_at_once(folder, seed, count, logged))
    finally:
        logging.getLogger().removeHandler(logged)


def test_some_mutated_requests(tmp_path: Path) -> None:
    found = work(tmp_path, 1, 1500)
    assert not found.wrongs, "\n".join(found.wrongs)
    assert found.counts["inputs"] == 1500
    assert found.counts["200"] > 300
    assert found.counts["400"] > 50
    assert found.counts["401"] > 50


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_many_mutated_requests(tmp_path: Path) -> None:
    count = int(os.environ.get("SOAK_INPUTS", "1000000"))
    seed = int(os.environ.get("SOAK_SEED", "1000"))
    began = time.monotonic()
    found = spread(partial(work, tmp_path), count, seed)
    print(
        f"\nSOAK mutated requests in process: {found.counts['inputs']} inputs from seed {seed} in "
        f"{time.monotonic() - began:.0f} s: {found.statuses()}"
    )
    assert not found.wrongs, "\n".join(found.wrongs)
