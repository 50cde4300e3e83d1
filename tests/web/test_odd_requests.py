"""Requests of Label Studio in which something is wrong: each is answered, and none by an error of ours.

What is put in place of a value is whatever JSON can hold, and bytes that are no JSON. The whole server is asked but its
sockets: a model process, and a Redis that takes the events. Hypothesis draws requests, and finds the smallest that
fails; it takes longer for a request than the server for the answer, so the many of `make soak` are made by a plain
generator.

`ODD_REQUESTS` is how many those are (a million), `SOAK_SEED` where they begin.
"""

import asyncio
import json
import logging
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from helpers import LIMIT, all_captured, captured, strict
from label_studio_ml.config.settings import Settings
from label_studio_ml.http_server.messages import Call, Response
from label_studio_ml.runtime.application import Application
from label_studio_ml.serving.runners.process_runner import ProcessRunner
from label_studio_ml.training.intake.event_intake import RedisIntake
from redis_server import RedisServer

T = TypeVar("T")

MODEL = """
from label_studio_ml.model import LabelStudioMLBase


class Answers(LabelStudioMLBase):
    def predict(self, tasks, **kwargs):
        return [{"result": []} for _ in tasks]

    def fit(self, annotations, **kwargs):
        return {}
"""

AUTH = ("me", "secret")

#: Statuses that say what is wrong with a request, or that nothing is.
FINE = {200, 201, 202, 303, 400, 401, 404, 405, 409, 410, 413}

#: Requests of a portion, and of these as many as are under way at a time.
PORTION, AT_ONCE = 1000, 16

#: Requests of the API beside Label Studio's.
OTHERS: list[tuple[str, str, Any]] = [
    ("POST", "/train", {"project": "2.1795434258", "label_config": "<View/>", "annotations": [{"id": 1}]}),
    ("POST", "/validate", {"config": "<View/>"}),
    ("POST", "/duplicate_model", {"project_src": "2.1795434258", "project_dst": "3.1"}),
    ("POST", "/delete", {"project": "3.1"}),
    ("POST", "/job_status", {"job": "20261123-141530-9f3a"}),
    ("POST", "/versions/promote", {"project": "2.1795434258", "version": "x", "pin": True}),
    ("POST", "/versions/rollback", {"project": "2.1795434258"}),
    ("POST", "/versions/unpin", {"project": "2.1795434258"}),
    ("POST", "/versions", {"project": "2.1795434258"}),
    ("GET", "/jobs?project=2&limit=3", None),
    ("GET", "/jobs/20261123-141530-9f3a/log?after=-3", None),
    ("GET", "/jobs/20261123-141530-9f3a/metrics", None),
    ("POST", "/jobs/20261123-141530-9f3a/cancel", None),
    ("GET", "/is_training?project=2", None),
    ("GET", "/connection?project=2", None),
    ("GET", "/versions?project=2", None),
]

REQUESTS = [(one.method, one.path, one.json) for one in all_captured()] + OTHERS

EDGES: list[Any] = [
    *(None, True, False, 0, -1, 2**31, 2**53, 2**63, 2**64, -(2**63) - 1, 2**70, 10**300, 0.5, 1e308, -0.0),
    *(
        "",
        " ",
        "0",
        "x",
        "é",
        "\x00",
        "\n",
        "\x1b[31m",
        "2.1795434258",
        "9" * 25,
        "a/b",
        "../x",
        "{}",
        "null",
    ),
    *(
        "<View/>",
        "<View>",
        "2026-01-01T00:00:00Z",
        "0001-01-01T00:00:00",
        "9999-12-31T23:59:59Z",
        "http://[",
        "ü" * 300,
    ),
    *(
        [],
        [[]],
        [None],
        [{}],
        [1, "a"],
        {},
        {"": 1},
        {"id": []},
        {"id": {}},
        {"id": 2**64},
        {"id": "1"},
        {"id": True},
    ),
]
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()
)
VALUES = st.one_of(
    st.sampled_from(EDGES),
    st.recursive(
        LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    ),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each value in a JSON value, itself included."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return a copy of `value` with `new` at `path`."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = put(copy[path[0]], path[1:], new)
    return copy


@st.composite
def odd_requests(draw: st.DrawFn) -> tuple[str, str, bytes, bool]:
    """Draw method, target, body, and whether it carries the login."""
    method, target, body = draw(st.sampled_from(REQUESTS))
    path, _, query = target.partition("?")
    if query or draw(st.integers(0, 9)) == 0:
        names = st.sampled_from(["project", "limit", "after", "x"])
        numbers = st.integers(-(2**70), 2**70).map(str)
        texts = st.one_of(
            numbers, st.sampled_from(["", "2", "2.1795434258", "-0", "٣", "1_0", " 1"]), st.text(max_size=9)
        )
        query = urlencode(draw(st.dictionaries(names, texts, max_size=3)), errors="replace")
    for _ in range(draw(st.integers(1, 3)) if body is not None else 0):
        place = draw(st.sampled_from(list(places(body))))
        body = put(body, place, draw(VALUES))
    content = b"" if body is None else json.dumps(body).encode()
    if content and draw(st.integers(0, 7)) == 0:
        at = draw(st.integers(0, len(content)))
        content = content[:at] + draw(st.binary(max_size=4)) + content[at + draw(st.integers(0, 4)) :]
    return method, f"{path}?{query}", content, draw(st.integers(0, 3)) > 0


class OddRequests:
    """Makes requests as `odd_requests` does, a hundred times as fast; the same `seed` makes the same ones."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._requests = [
            (method, target, body, list(places(body)), b"" if body is None else json.dumps(body).encode())
            for method, target, body in REQUESTS
        ]

    def next(self) -> tuple[str, str, bytes, bool]:
        """Return method, target, body, and whether it carries the login."""
        chance = self._chance
        method, target, body, where, content = chance.choice(self._requests)
        path, _, query = target.partition("?")
        if query or chance.random() < 0.1:
            names = chance.sample(("project", "limit", "after", "x"), chance.randrange(4))
            query = urlencode({name: self._text(name) for name in names}, errors="replace")
        changes = chance.randrange(4) if body is not None else 0
        for number in range(changes):
            place = chance.choice(list(places(body)) if number else where)
            body = put(body, place, self._value())
        if changes:
            content = json.dumps(body).encode()
        if content and chance.random() < 0.1:
            at = chance.randrange(len(content) + 1)
            content = (
                content[:at] + chance.randbytes(chance.randrange(5)) + content[at + chance.randrange(5) :]
            )
        return method, f"{path}?{query}", content, chance.random() < 0.75

    def _text(self, name: str) -> str:
        chance = self._chance
        if chance.random() < 0.5:
            return str(chance.choice((0, 1, -1, 2**31, 2**63, -(2**70), chance.randrange(-1000, 1000))))
        return chance.choice(("", "2", "2.1795434258", "-0", "٣", "1_0", " 1", self._characters()))

    def _characters(self) -> str:
        """Return a short text of any characters, lone surrogates included."""
        chance = self._chance
        most = chance.choice((0x7F, 0xFFFF, 0x10FFFF))
        return "".join(chr(chance.randint(0, most)) for _ in range(chance.randrange(9)))

    def _value(self, depth: int = 0) -> Any:
        """Return a JSON value."""
        chance = self._chance
        kind = chance.randrange(8)
        if kind < 4:
            return chance.choice(EDGES)
        if kind == 4:
            return self._characters()
        if kind == 5:
            return chance.choice(
                (chance.randint(-(2**80), 2**80), chance.uniform(-1e300, 1e300), chance.random())
            )
        if depth > 3:
            return None
        inner = [self._value(depth + 1) for _ in range(chance.randrange(4))]
        return inner if kind == 6 else {self._characters(): value for value in inner}


class Site:
    """A server's parts on an event loop in a thread."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        folder.mkdir()
        (folder / "model.py").write_text(MODEL)
        self.settings = Settings(
            backend_dir=folder,
            script=folder / "model.py",
            class_name="Answers",
            model_dir=folder / "data",
            log_dir=folder / "logs",
            redis_url=redis_url,
            queue="odd",
            basic_auth_user=AUTH[0],
            basic_auth_pass=AUTH[1],
            separate=False,
            studio_url="http://127.0.0.1:1",
        )
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.core = self.wait(self._begin())

    async def _begin(self) -> Application:
        intake = RedisIntake.of(self.settings, lambda timeout: self.settings.redis_url)
        core = Application(self.settings, lambda: ProcessRunner(self.settings), intake)
        await core.start()
        return core

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(LIMIT)

    def ask(self, method: str, target: str, body: bytes, *, login: bool = True) -> Response:
        return self.wait(self.handle(method, target, body, login=login))

    async def handle(self, method: str, target: str, body: bytes, *, login: bool = True) -> Response:
        path, _, query = target.partition("?")
        headers = {"user-agent": "python-requests/2", "content-type": "application/json"}
        if login:
            headers["authorization"] = "Basic bWU6c2VjcmV0"
        call = Call(method, path, query, headers, body, peer="127.0.0.1")
        return await self.core.endpoints.handle(call)

    def close(self) -> None:
        self.wait(self.core.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(LIMIT)
        self.loop.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    redis = RedisServer(tmp_path_factory.mktemp("redis") / "redis", "--maxmemory", "0").start()
    made = Site(tmp_path_factory.mktemp("odd") / "backend", redis.url)
    logging.disable(logging.CRITICAL)  # thousands of refusals
    setup = captured("setup")
    assert made.ask("POST", "/setup", setup.body).status == 200
    yield made
    logging.disable(logging.NOTSET)
    made.close()
    redis.kill()


def check(site: Site, method: str, target: str, body: bytes, login: bool) -> None:
    """Ask, and look at the answer."""
    look(method, site.ask(method, target, body, login=login))


def look(method: str, answer: Response) -> None:
    """See that an answer is JSON, of a status that is meant, and says nothing that sounds like a failure of ours."""
    said = answer.body.decode()
    # On a busy machine Redis may take longer than a webhook waits.
    kept = answer.status == 503 and "waits on this server's disk" in said
    assert answer.status in FINE or kept, (answer.status, said[:300])
    assert "internal error" not in said
    assert "Traceback" not in said
    if answer.content_type == "application/json" and method != "HEAD":
        strict(said)


def examine(site: Site, examples: int) -> None:
    @settings(max_examples=examples, phases=[Phase.generate, Phase.shrink], database=None)
    @given(st.lists(odd_requests(), min_size=1, max_size=10))
    def asked(requests: list[tuple[str, str, bytes, bool]]) -> None:
        for request in requests:
            check(site, *request)

    asked()


@pytest.mark.parametrize(
    "examples", [100, pytest.param(2000, marks=[pytest.mark.soak, pytest.mark.timeout(0)])]
)
def test_no_request_is_answered_by_an_error_of_ours(site: Site, examples: int) -> None:
    examine(site, examples)


async def ask_at_once(
    site: Site, requests: list[tuple[str, str, bytes, bool]]
) -> tuple[Counter[int], list[str]]:
    """Ask requests, some at a time. Return how many answers had which status, and what was wrong with others."""
    statuses: Counter[int] = Counter()
    wrongs: list[str] = []
    waiting = iter(requests)

    async def work() -> None:
        for method, target, body, login in waiting:
            answer = await site.handle(method, target, body, login=login)
            try:
                look(method, answer)
            except (AssertionError, ValueError) as error:
                wrongs.append(f"{error}: {method} {target} {body!r} login: {login}"[:4000])
            statuses[answer.status] += 1

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return statuses, wrongs


def ask_many(site: Site, count: int, seed: int) -> Counter[int]:
    """Ask `count` odd requests, and see that no answer is wrong; return how many had which status."""
    odd = OddRequests(seed)
    total: Counter[int] = Counter()
    for start in range(0, count, PORTION):
        requests = [odd.next() for _ in range(min(PORTION, count - start))]
        statuses, wrongs = site.wait(ask_at_once(site, requests))
        assert not wrongs, f"seed {seed}, requests from {start} on:\n" + "\n".join(wrongs[:20])
        total += statuses
        if sum(total.values()) % 50_000 == 0:
            print(f"{sum(total.values())} odd requests: {dict(total)}", flush=True)
    return total


def test_a_thousand_odd_requests(site: Site) -> None:
    assert set(ask_many(site, 1000, seed=1)) >= {200, 400, 401, 404}


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_many_odd_requests(site: Site) -> None:
    count = int(os.environ.get("ODD_REQUESTS", "1000000"))
    seed = int(os.environ.get("SOAK_SEED", "1000"))
    began = time.monotonic()
    statuses = ask_many(site, count, seed)
    said = ", ".join(f"{statuses[status]} x {status}" for status in sorted(statuses))
    print(f"\nSOAK odd requests: {count} of seed {seed} in {time.monotonic() - began:.0f} s: {said}")


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/webhook", {"annotation": {"id": 1, "task": [1]}}),
        ("/webhook", {"annotation": {"id": [1], "task": 1}, "task": {"id": [2]}}),
        ("/webhook", {"annotation": [], "task": {"id": {}}}),
        (
            "/webhook",
            {"action": "ANNOTATIONS_CREATED", "task": [{"id": []}], "annotation": [{"id": {}, "task": {}}]},
        ),
        ("/webhook", {"project": {"id": 2**80}}),
        ("/webhook", {"annotation": {"id": 2**80, "task": 2**80, "result": [2**80]}}),
        ("/setup", {"extra_params": 2**64}),
        ("/setup", {"extra_params": {"seed": [-(2**63) - 1]}}),
        ("/setup", {"hostname": "http://[", "access_token": "\x00"}),
        ("/predict", {"params": {"context": 2**64}}),
    ],
)
@pytest.mark.parametrize("login", [True, False])
def test_these_were_errors_of_ours(site: Site, path: str, fields: dict[str, Any], login: bool) -> None:
    name = {"/webhook": "webhook_ANNOTATION_CREATED", "/setup": "setup", "/predict": "predict_interactive"}[
        path
    ]
    check(site, "POST", path, captured(name).with_fields(**fields).body, login)


@pytest.mark.parametrize("target", ["/jobs?limit={}", "/jobs/x/log?after={}"])
@pytest.mark.parametrize("number", [2**31, 2**63, 2**64, 10**40, -(2**70), "1" * 5000])
def test_a_number_that_is_too_large_is_the_callers_mistake(site: Site, target: str, number: Any) -> None:
    answer = site.ask("GET", target.format(number), b"")
    assert answer.status in (400, 404) or (answer.status == 200 and "limit" in target), answer.body
    assert b"Redis" not in answer.body


def test_extra_params_of_any_size_reach_the_model(site: Site) -> None:
    """A number that is too large for a frame made each model of the project fail to load, with 500."""
    uid = "64.1795434258"
    setup = captured("setup").with_fields(project=uid, extra_params={"seed": 2**70})
    check(site, "POST", "/setup", setup.body, True)
    predict = captured("predict_retrieve").with_fields(project=uid)
    answer = site.ask("POST", "/predict", predict.body)
    assert answer.status == 200, answer.body
    assert len(strict(answer.body)["results"]) == len(predict.json["tasks"])
