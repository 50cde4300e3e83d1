"""Requests of Label Studio in which something is wrong: each is answered, and none by an error of ours.

What is put in place of a value is whatever JSON can hold, and bytes that are no JSON. The whole server is asked but its
sockets: a model process, and a Redis that takes the events.
"""

import asyncio
import json
import logging
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from helpers import LIMIT, all_captured, captured, strict
from label_studio_ml.runtime.core import Core
from label_studio_ml.serving.lanes import ProcessLane
from label_studio_ml.settings import Settings
from label_studio_ml.training.desk import RedisDesk
from label_studio_ml.web.calls import Call, Response
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

    async def _begin(self) -> Core:
        desk = RedisDesk.of(self.settings, lambda timeout: self.settings.redis_url)
        core = Core(self.settings, lambda: ProcessLane(self.settings), desk)
        await core.start()
        return core

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(LIMIT)

    def ask(self, method: str, target: str, body: bytes, *, login: bool = True) -> Response:
        path, _, query = target.partition("?")
        headers = {"user-agent": "python-requests/2", "content-type": "application/json"}
        if login:
            headers["authorization"] = "Basic bWU6c2VjcmV0"
        return self.wait(
            self.core.endpoints.handle(Call(method, path, query, headers, body, peer="127.0.0.1"))
        )

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
    """Ask, and look at the answer: JSON, of a status that is meant, and nothing that sounds like a failure of ours."""
    answer = site.ask(method, target, body, login=login)
    said = answer.body.decode()
    assert answer.status in FINE, (answer.status, said[:300])
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


@pytest.mark.parametrize("examples", [100, pytest.param(180_000, marks=pytest.mark.soak)])
def test_no_request_is_answered_by_an_error_of_ours(site: Site, examples: int) -> None:
    """With 180,000 examples of five or six requests each, that is a million requests."""
    examine(site, examples)


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
