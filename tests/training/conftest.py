"""Brokers that tests run against, a fake Label Studio, and backends."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.processes import wait_until
from label_studio_ml.runtime.broker import Broker
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.redis_client import connect
from live import FakeStudio, Live, make_live


def _ping(url: str) -> bool:
    try:
        return bool(connect(url).ping())
    except OSError:
        return False


@pytest.fixture(scope="session")
def embedded_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    broker = Broker(tmp_path_factory.mktemp("embedded") / "broker")
    yield broker.start()
    broker.stop()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A redis-server of the operating system: missing it may be on a laptop, not in CI."""
    server = shutil.which("redis-server")
    if server is None:
        message = "redis-server is not installed"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    folder = tmp_path_factory.mktemp("redis")
    path = folder / "redis.sock"
    process = subprocess.Popen(
        [server, "--port", "0", "--unixsocket", str(path), "--dir", str(folder), "--save", ""],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    url = f"unix://{path}?db=0"
    try:
        wait_until(lambda: path.exists() and _ping(url), "redis-server answers", every=0.02)
        yield url
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(params=["embedded", "redis-server"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty broker's URL: once our embedded one, once a Redis as others run it."""
    name = {"embedded": "embedded_url", "redis-server": "redis_url"}[request.param]
    found: str = request.getfixturevalue(name)
    connect(found).flushall()
    return found


@pytest.fixture
def job_store(url: str) -> Iterator[JobStore]:
    connection = connect(url)
    yield JobStore(connection, "test-queue")
    connection.close()


@pytest.fixture(scope="module")
def studio() -> Iterator[FakeStudio]:
    """What stands for Label Studio."""
    fake = FakeStudio()
    yield fake
    fake.stop()


@pytest.fixture
def launch(tmp_path: Path, studio: FakeStudio) -> Iterator[Callable[..., Live]]:
    """Start a backend for one test; it must leave no process behind."""
    lives: list[Live] = []

    def start(model: str = "seed_model", **options: Any) -> Live:
        live = make_live(tmp_path / f"backend{len(lives)}", studio, model, **options)
        lives.append(live)
        live.backend.start()
        return live

    yield start
    for live in lives:
        left = live.backend.stop()
        assert not left, f"left behind:\n{live.backend.output()[-3000:]}"
