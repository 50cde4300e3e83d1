"""The cache of what training processes reported."""

from pathlib import Path

import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.training.policy import RECOUNT_INTERVAL, Policy
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.scheduling.policy_cache import PolicyCache


def test_entries_are_read_back(job_store: JobStore, tmp_path: Path) -> None:
    memory = PolicyCache(job_store, Settings(backend_dir=tmp_path, model_dir=tmp_path))
    policy = Policy(train_every=3)
    memory.learn("code", policy, "seed")
    assert (memory.policy("code"), memory.generation("code")) == (policy, "seed")
    assert memory.policy("other code") is None
    memory.learn_labelled("1", 7, "5-0", at=1000)
    assert memory.labelled("1", [], now=1000) == 7
    assert memory.labelled("1", [], now=1000 + int(RECOUNT_INTERVAL)) is None


@pytest.mark.parametrize("text", [b"", b"\xff", b"{}", b'{"code": 7}', b"null"])
def test_an_entry_that_cannot_be_read_counts_as_none(
    job_store: JobStore, tmp_path: Path, text: bytes
) -> None:
    memory = PolicyCache(job_store, Settings(backend_dir=tmp_path, model_dir=tmp_path))
    job_store.redis.set(job_store.keys.policy, text)
    job_store.redis.set(job_store.keys.labelled("1"), text)
    assert memory.policy("code") is None
    assert memory.generation("code") == ""
    assert memory.labelled("1", [], now=0) is None
    memory.learn("code", Policy(), "event")
    assert memory.generation("code") == "event"
