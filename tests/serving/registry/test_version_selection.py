"""Which version is to be served."""

from pathlib import Path

import pytest

from label_studio_ml.serving.registry.version_selection import VersionSelection
from label_studio_ml.versions.store.local_store import VersionStore
from versions.store.test_local_store import manifest


def _published(store: VersionStore, name: str, fence: int) -> None:
    store.begin("1", name)
    store.publish(manifest(name, fence=fence))


def test_a_publish_is_noticed(tmp_path: Path) -> None:
    store = VersionStore(tmp_path)
    wanted = VersionSelection(store)
    assert wanted.manifest("1") is None
    _published(store, "a", 1)
    assert wanted.changed(["1"]) == ["1"]
    found = wanted.manifest("1")
    assert found is not None
    assert found.id == "a"
    assert wanted.changed(["1"]) == []


def test_versions_out_of_reach_change_nothing(tmp_path: Path) -> None:
    store = VersionStore(tmp_path)
    _published(store, "a", 1)
    wanted = VersionSelection(store)
    before = wanted.manifest("1")
    assert before is not None
    versions = tmp_path / "versions"
    versions.rename(tmp_path / "away")
    assert wanted.changed(["1"]) == []
    assert wanted.manifest("1") == before
    (tmp_path / "away").rename(versions)
    assert wanted.changed(["1"]) == []
    _published(store, "b", 2)
    assert wanted.changed(["1"]) == ["1"]


def test_a_process_that_cannot_import_afresh_keeps_the_version_that_it_began_with(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = VersionStore(tmp_path)
    _published(store, "a", 1)
    wanted = VersionSelection(store)
    first = wanted.manifest("1")
    wanted.keep_first = True
    _published(store, "b", 2)
    assert wanted.changed(["1"]) == ["1"]
    for _ in range(2):
        assert wanted.manifest("1") == first
    assert caplog.text.count("is served after a restart only") == 1
    assert first is not None
    wanted.failed("1", first, "it does not load")
    found = wanted.manifest("1")
    assert found is not None
    assert found.id == "b"
