"""Reports of evaluations in a remote store, which several machines share."""

from pathlib import Path

from label_studio_ml.versions.evaluation_reports import EvaluationReports
from label_studio_ml.versions.remote.remote_store import RemoteStore
from label_studio_ml.versions.store.manifest import Manifest

P = "7.1700000000"


def _store(tmp_path: Path, machine: str) -> RemoteStore:
    store = RemoteStore(f"file://{tmp_path}/shared", tmp_path / machine)
    store.artifacts.open()
    return store


def _publish(store: RemoteStore, name: str, fence: int) -> None:
    folder = store.begin(P, name)
    (folder / "weights").write_text(name)
    store.publish(Manifest(id=name, name=name, project=P, fence=fence, created="2026-01-01T00:00:00+00:00"))


def test_another_machine_reads_the_report_and_those_of_deleted_versions_go(tmp_path: Path) -> None:
    here, there = (_store(tmp_path, machine) for machine in ("here", "there"))
    for fence, name in enumerate(("a", "b")):
        _publish(here, name, fence)
    EvaluationReports(here).put(P, "a", b'{"of": "a"}')
    assert EvaluationReports(there).ids(P) == {"a"}
    assert EvaluationReports(there).get(P, "a") == b'{"of": "a"}'
    assert EvaluationReports(there).get(P, "b") is None
    here.delete(P, "a")
    EvaluationReports(here).put(P, "b", b'{"of": "b"}')
    assert EvaluationReports(there).ids(P) == {"b"}
    EvaluationReports(there).delete_project(P)
    assert EvaluationReports(here).ids(P) == set()
