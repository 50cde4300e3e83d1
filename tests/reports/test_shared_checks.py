"""The findings of `doctor` that servers share."""

import pytest

from label_studio_ml.reports.shared_checks import LONGEST_RUN, Checks, Finding, OwnChecks, SharedChecks
from label_studio_ml.training.records.job_store import JobStore
from training.conftest import embedded_url, job_store, redis_url, url  # noqa: F401

CHECKS = Checks(1000.0, "host", (Finding("disk", "fail", "it is full", "Free some", project="7"),))


@pytest.fixture(params=["own", "shared"])
def store(request: pytest.FixtureRequest, job_store: JobStore) -> OwnChecks | SharedChecks:  # noqa: F811
    return OwnChecks() if request.param == "own" else SharedChecks(lambda: job_store)


def test_one_server_runs_them_and_all_read_them(store: OwnChecks | SharedChecks) -> None:
    assert store.read() is None
    assert store.claim("a")
    assert not store.claim("b"), "one run at a time"
    store.store(CHECKS)
    assert store.read() == CHECKS
    assert store.claim("b"), "the run has ended"


def test_a_server_that_dies_gives_its_claim_up(job_store: JobStore) -> None:  # noqa: F811
    shared = SharedChecks(lambda: job_store)
    assert shared.claim("a")
    assert 0 < job_store.redis.ttl(job_store.keys.checking) <= LONGEST_RUN


def test_findings_of_another_release_are_not_read(job_store: JobStore) -> None:  # noqa: F811
    job_store.redis.set(job_store.keys.checks, '{"findings": 7}')
    assert SharedChecks(lambda: job_store).read() is None
