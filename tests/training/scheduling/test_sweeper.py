"""Who looks for lost wake-ups, and when."""

import math
import threading
from collections.abc import Iterator

import pytest

from e2e.processes import wait_until
from label_studio_ml.errors import BrokerError
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.scheduling import sweeper


class Sweeper:
    """One worker's sweeper, which looks every 0.01 s."""

    def __init__(self, job_store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sweeps = 0
        self.rounds = 0
        self.next = math.inf
        self.error: Exception | None = None
        self.postponed = threading.Event()
        self.stopping = threading.Event()
        monkeypatch.setattr(sweeper, "sweep", self._sweep)
        arguments = (job_store, None, 30.0, 0.01, self.postponed, self.stopping, self._round)
        self.thread = threading.Thread(target=sweeper.sweep_forever, args=arguments, daemon=True)

    def _sweep(self, *args: object) -> float:
        self.sweeps += 1
        if self.error is not None:
            raise self.error
        return self.next

    def _round(self) -> None:
        self.rounds += 1

    def rests(self) -> bool:
        """Tell whether it looks no more while somebody else does."""
        sweeps, rounds = self.sweeps, self.rounds
        wait_until(lambda: self.rounds > rounds + 4, "it has its turns", every=0.005)
        return self.sweeps == sweeps


@pytest.fixture
def one(job_store: JobStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sweeper]:
    made = Sweeper(job_store, monkeypatch)
    yield made
    made.stopping.set()
    made.postponed.set()
    made.thread.join(60)
    assert not made.thread.is_alive()


def test_of_all_workers_one_looks(job_store: JobStore) -> None:
    assert job_store.wake_ups.take_sweep_turn(1000)
    assert not job_store.wake_ups.take_sweep_turn(1000)
    job_store.redis.delete(job_store.keys.looked)
    assert job_store.wake_ups.take_sweep_turn(0.01)
    wait_until(lambda: job_store.wake_ups.take_sweep_turn(0.01), "it is somebody's turn again", every=0.005)


def test_it_looks_when_it_starts_when_it_is_told_and_when_nobody_else_does(
    job_store: JobStore, one: Sweeper
) -> None:
    job_store.redis.set(job_store.keys.looked, 1)  # another worker has the turn
    one.thread.start()
    wait_until(lambda: one.sweeps == 1, "it looks at its start", every=0.005)
    assert one.rests()
    one.postponed.set()
    wait_until(lambda: one.sweeps == 2, "a project is to wait", every=0.005)
    assert one.rests()
    one.next = 0.001
    one.postponed.set()
    wait_until(lambda: one.sweeps > 10, "a project's time comes", every=0.005)
    one.next = math.inf
    wait_until(one.rests, "no project's time comes", every=0.005)
    one.error = BrokerError("Redis is away")
    one.postponed.set()
    before = one.sweeps
    wait_until(lambda: one.sweeps > before + 3, "what failed is tried again", every=0.005)
    one.error = RuntimeError("nobody has thought of it")
    before = one.sweeps
    wait_until(lambda: one.sweeps > before + 3, "it goes on whatever happens", every=0.005)
    one.error = None
    wait_until(one.rests, "it did not fail", every=0.005)
    before = one.sweeps
    job_store.redis.delete(job_store.keys.looked)
    wait_until(lambda: one.sweeps > before + 1, "it has the turn", every=0.005)
