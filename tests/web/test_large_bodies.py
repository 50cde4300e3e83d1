"""Large bodies: what is refused, and a real server that goes on answering, in little memory, while they come."""

import asyncio
import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path

import pytest
import requests

from e2e.backend import Backend
from e2e.processes import free_port, wait_until
from helpers import run
from label_studio_ml.errors import BodyTooLarge, RequestError
from label_studio_ml.protocol.requests import parse_predict
from label_studio_ml.web.large_bodies import (
    OBJECTS,
    PAUSE_FACTOR,
    TASKS,
    UNTRUSTED_LARGE,
    LargeBodies,
    Limit,
    check,
)
from tricky import CONFIG, Tricky

MIB = 1 << 20
SIZE = 64 * MIB

#: Seconds that an answer to `/health` may take: generous for a busy machine; it was 10 s on an idle one.
RESPONSIVE = 5.0
PATIENCE = 240.0
#: Seconds of the processor that a body takes in a test.
BUSY = 0.05


@pytest.mark.parametrize(
    ("body", "limit", "refused"),
    [
        (b"[],[],[]", Limit(3, 2), False),
        (b"[],[],[]", Limit(2, 9), True),
        (b"{},{},[]", Limit(2, 9), True),
        (b"1,2,3,4", Limit(0, 3), False),
        (b"1,2,3,4", Limit(0, 2), True),
        (b" " * (3 * MIB) + b"[]", Limit(0, 0), True),
        (b"x" * (3 * MIB), Limit(0, 0), False),
    ],
)
def test_how_many_values_a_body_may_have(body: bytes, limit: Limit, refused: bool) -> None:
    if not refused:
        check(body, limit)
        return
    with pytest.raises(BodyTooLarge, match=f"more than {limit.containers} arrays and objects"):
        check(body, limit)


@pytest.mark.parametrize("size", [1000, 2 * MIB])
def test_small_bodies_are_parsed_at_once_and_large_ones_in_a_thread(size: int) -> None:
    async def test() -> None:
        body = b"x" * size
        parsed = await LargeBodies().parse(lambda given: (threading.current_thread(), given), body)
        assert (parsed[0] is threading.current_thread()) == (size == 1000)
        assert parsed[1] is body

    run(test())


def test_of_a_body_of_many_values_something_else_is_made_where_there_is_a_way() -> None:
    async def test() -> None:
        bodies, many = LargeBodies(), b"[],[],[]" + b" " * 2 * MIB
        assert await bodies.parse(len, many, Limit(3, 2), heavy=lambda body: -1) == len(many)
        assert await bodies.parse(len, many, Limit(2, 2), heavy=lambda body: -1) == -1
        with pytest.raises(BodyTooLarge):
            await bodies.parse(len, many, Limit(2, 2))

    run(test())


@pytest.mark.parametrize(("size", "here"), [(1000, True), (100 << 10, False)])
def test_without_login_bodies_are_large_earlier(size: int, here: bool) -> None:
    async def test() -> None:
        thread = await LargeBodies().parse_untrusted(lambda _: threading.current_thread(), b"x" * size)
        assert (thread is threading.current_thread()) == here

    run(test())


def test_the_interpreter_is_left_to_others_between_two_large_bodies_without_the_login() -> None:
    moments: list[tuple[float, float]] = []

    def parse(body: bytes) -> None:
        began, took = time.monotonic(), time.thread_time()
        while time.thread_time() - took < BUSY:
            pass
        moments.append((began, time.monotonic()))

    async def test() -> None:
        bodies = LargeBodies()
        body = b"x" * UNTRUSTED_LARGE + b"x"
        await asyncio.gather(*(bodies.parse_untrusted(parse, body) for _ in range(3)))

    run(test())
    for (_, ended), (next_began, _) in itertools.pairwise(moments):
        assert next_began - ended >= PAUSE_FACTOR * BUSY


@pytest.mark.parametrize(
    ("tasks", "field"),
    [
        (b"[" + b"1," * MIB + b"1]", "tasks[0]"),
        (b"[{}" + b",[]" * MIB + b"]", "tasks[1]"),
        (b'"' + b"x" * 2 * MIB + b'"', "tasks"),
    ],
)
def test_tasks_that_are_no_objects_are_refused_in_little_memory(tasks: bytes, field: str) -> None:
    import tracemalloc

    body = b'{"tasks": %b}' % tasks
    tracemalloc.start()
    try:
        with pytest.raises(RequestError, match="expected `") as error:
            parse_predict(body)
        assert tracemalloc.get_traced_memory()[1] < 2 * MIB
    finally:
        tracemalloc.stop()
    assert error.value.field == field


def test_what_label_studio_sends_is_far_from_the_limits() -> None:
    """100,000 tasks in one request, and an annotation with 10,000 regions of a brush."""
    task = b'{"id": 1, "data": {"text": "x"}, "annotations": [], "predictions": [], "meta": {}},'
    check(task * 100_000, TASKS)
    region = b'{"id": "abc", "value": {"rle": [%b], "brushlabels": ["a"]}},' % (b"0, 255, " * 400)
    check(region * 10_000, OBJECTS)


class Watch:
    """Asks /health all the time, and looks at how much memory the server takes."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._stop = threading.Event()
        self.longest = 0.0
        self.asked = 0
        assert backend.program is not None
        self._status = Path(f"/proc/{backend.program.process.pid}/status")
        self._before = self._memory("VmRSS")
        Path(f"/proc/{backend.program.process.pid}/clear_refs").write_text("5")  # forget the peak until now
        self._thread = threading.Thread(target=self._run)

    def _memory(self, name: str) -> int:
        line = next(line for line in self._status.read_text().splitlines() if line.startswith(f"{name}:"))
        return int(line.split()[1]) << 10

    @property
    def grown(self) -> int:
        """Bytes that the server took at most, beyond those before."""
        return self._memory("VmHWM") - self._before

    def _run(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            answer = requests.get(f"{self._backend.url}/livez", timeout=PATIENCE)
            self.longest = max(self.longest, time.monotonic() - began)
            assert answer.status_code == 200
            self.asked += 1
            time.sleep(0.02)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(PATIENCE)


def send(backend: Backend, path: str, body: bytes) -> tuple[int, str]:
    """Send a request without a login; return status and body of the answer, also where it came before the end."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("localhost", backend.port), timeout=PATIENCE) as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(body)
        answer = HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.read().decode()


def filled(before: bytes, unit: bytes, after: bytes) -> bytes:
    """Return a body of `SIZE` bytes with `unit` again and again."""
    return before + unit * (SIZE // len(unit)) + unit.rstrip(b",") + after


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """A backend without a login."""
    tricky = Tricky(tmp_path_factory.mktemp("large") / "backend")
    made = Backend(
        tricky.folder,
        tricky.folder.parent / "backend.log",
        arguments=["--script", "obedient.py:Tricky"],
        port=free_port(),
    )
    made.start()
    body = {"tasks": [{"id": 1}], "project": "1.1", "label_config": CONFIG}
    wait_until(
        lambda: requests.post(f"{made.url}/predict", json=body, timeout=PATIENCE).ok, "the model is loaded"
    )
    yield made
    assert not made.stop()


def test_an_event_of_large_brush_masks_is_kept(backend: Backend) -> None:
    """600 annotations of 20,000 numbers each: more than become Python objects, and Label Studio sends it once."""
    masks = b",".join(
        b'{"id": %d, "task": %d, "result": [{"value": {"rle": [%b0]}}]}' % (one, one, b"255, " * 20_000)
        for one in range(600)
    )
    tasks = b",".join(b'{"id": %d}' % one for one in range(600))
    body = b'{"action": "ANNOTATIONS_CREATED", "project": {"id": 2}, "task": [%b], "annotation": [%b]}'
    with Watch(backend) as watch:
        status, answer = send(backend, "/webhook", body % (tasks, masks))
    assert status == 201, answer
    assert watch.longest < RESPONSIVE
    assert watch.grown < 5 * SIZE


EMPTY = {"arrays": b"[],", "objects": b"{},", "numbers": b"1,", "texts": b'"",'}


@pytest.mark.parametrize("path", ["/webhook", "/predict", "/train"])
@pytest.mark.parametrize("kind", EMPTY)
def test_it_goes_on_answering_while_a_body_of_many_values_comes(
    backend: Backend, path: str, kind: str
) -> None:
    body = filled(b'{"action": "ANNOTATION_CREATED", "project": "1.1", "tasks": [', EMPTY[kind], b"]}")
    with Watch(backend) as watch:
        status, answer = send(backend, path, body)
    assert status in (400, 413), answer
    assert watch.asked > 2
    assert watch.longest < RESPONSIVE
    assert watch.grown < 5 * SIZE


def test_it_goes_on_answering_while_large_tasks_are_predicted(backend: Backend) -> None:
    task = b'{"id": 1, "data": {"text": "%b"}},' % (b"x" * 500_000)
    body = filled(b'{"project": "1.1", "tasks": [', task, b"]}")
    with Watch(backend) as watch:
        status, answer = send(backend, "/predict", body)
    assert status == 200, answer[:1000]
    assert answer.count('"model_version"') >= SIZE // len(task)
    assert watch.longest < RESPONSIVE
    assert watch.grown < 6 * SIZE
