"""The lease, held and lost."""

from typing import Any

import pytest
import redis

from e2e.processes import wait_until
from label_studio_ml.errors import BrokerError
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.redis_client import connect
from label_studio_ml.training.scheduling.lease import Lease, LeaseLost


def _away(*args: Any, **kwargs: Any) -> None:
    raise redis.exceptions.TimeoutError("no answer")


def _lost(lease: Lease) -> bool:
    try:
        lease.check()
    except LeaseLost:
        return True
    return False


def test_one_holds_it_and_keeps_it_while_it_is_renewed(job_store: JobStore) -> None:
    first, second = (Lease(job_store.redis, "lease", 60.0) for _ in range(2))
    assert first.acquire()
    assert not second.acquire()
    assert _lost(second)
    assert first.renew()
    first.check()
    first.release()
    assert second.acquire()
    with pytest.raises(LeaseLost):
        first.renew()


def test_an_unreachable_redis_is_a_broker_error() -> None:
    with pytest.raises(BrokerError, match="Redis cannot be reached"):
        Lease(connect("unix:///nowhere/broker.sock", tries=1), "lease", 60.0).acquire()


def test_who_is_cut_off_from_redis_knows_when_it_may_be_lost(
    job_store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = Lease(job_store.redis, "lease", 2.0)
    assert lease.acquire()
    monkeypatch.setattr(lease._lock, "extend", _away)
    with lease.renewing() as holds:
        holds()
        assert not lease.renew()
        wait_until(lambda: _lost(lease), "it ran out")
        with pytest.raises(LeaseLost, match="Redis was unavailable"):
            holds()
    monkeypatch.undo()
    wait_until(
        lambda: not job_store.redis.exists("lease"), "Redis lets it go, a little later than its holder"
    )
    with pytest.raises(LeaseLost):
        lease.renew()
    assert _lost(lease)
