"""Training at once, for tests of users' models."""
# mypy: disable-error-code="no-untyped-def, override"

from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import FitError, ModelFileError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.protocol.requests import Event
from label_studio_ml.training.intake.synchronous import SynchronousIntake
from label_studio_ml.versions.state.key_values import StoredState
from label_studio_ml.versions.store.local_store import VersionStore
from live import created, created_in_bulk, start_training, uid

P = uid(1)


def _event(data: dict[str, Any]) -> Event:
    return Event(action=data["action"], uid=P, label_config="", title="", data=data)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(backend_dir=tmp_path, model_dir=tmp_path / "data")


class Seed(LabelStudioMLBase):
    def fit(self, annotations, **kwargs):
        return {"ids": [one["id"] for one in annotations], "before": self.train_output.get("ids")}


class Counts(LabelStudioMLBase):
    def fit(self, event, data, **kwargs):
        if data["annotation"]["id"] == 1666:
            raise ValueError("the beast")
        self.set("count", str(int(self.get("count") or 0) + 1))


def test_a_seed_class_learns_from_all_events_so_far(settings: Settings) -> None:
    intake = SynchronousIntake(settings, Seed)
    job = intake.hand_in(_event(created(1, 5)), trusted=True, train=True)
    assert job is not None
    intake.hand_in(_event(created(1, 6)), trusted=True, train=False)
    intake.hand_in(_event(start_training(1)), trusted=True, train=True)
    first, second = VersionStore(settings.model_dir).versions(P)
    assert first.train_output["ids"] == [5]
    assert second.train_output["ids"] == [5, 6]
    assert second.train_output["before"] == [5]
    status = intake.job_status(job)
    assert status is not None
    assert (status["job_status"], status["model_version"]) == ("finished", first.name)
    assert intake.running_job(P) is None
    assert intake.job_status("no such job") is None


def test_events_that_do_not_train(settings: Settings) -> None:
    intake = SynchronousIntake(settings, Seed)
    assert intake.hand_in(_event(created(1, 5)), trusted=True, train=False) is None
    assert VersionStore(settings.model_dir).versions(P) == []


def test_a_request_that_brings_its_tasks(settings: Settings) -> None:
    intake = SynchronousIntake(settings, Seed)
    tasks = [{"id": 9, "annotations": [{"id": 1}]}]
    intake.hand_in(_event({**start_training(1), "annotations": tasks}), trusted=True, train=True)
    (version,) = VersionStore(settings.model_dir).versions(P)
    assert version.train_output["ids"] == [9]


def test_an_event_class(settings: Settings) -> None:
    intake = SynchronousIntake(settings, Counts)
    intake.hand_in(_event(created_in_bulk(1, 5, 6)), trusted=True, train=True)
    intake.hand_in(_event(created(1, 7)), trusted=True, train=True)
    assert StoredState(settings.model_dir, P).get("count") == "3"


def test_an_event_class_that_changes_nothing(settings: Settings) -> None:
    class Idle(LabelStudioMLBase):
        def fit(self, event, data, **kwargs):
            pass

    intake = SynchronousIntake(settings, Idle)
    job = intake.hand_in(_event(created(1, 5)), trusted=True, train=True)
    assert job is not None
    record = intake.job_status(job) or {}
    assert record["message"].startswith("No new version: fit returned nothing")
    assert "model_version" not in record
    assert VersionStore(settings.model_dir).versions(P) == []


@pytest.mark.parametrize("error", [ValueError("told to"), SystemExit(1)])
def test_a_fit_that_raises_leaves_nothing(settings: Settings, error: BaseException) -> None:
    class Raises(LabelStudioMLBase):
        def fit(self, annotations, **kwargs):
            raise error

    with pytest.raises(FitError, match=rf"{type(error).__name__}.*test_synchronous\.py, line"):
        SynchronousIntake(settings, Raises).hand_in(_event(created(1, 5)), trusted=True, train=True)
    folder = VersionStore(settings.model_dir).folder(P)
    assert not [path for path in folder.iterdir() if path.is_dir()]


def test_every_event_of_a_bulk_that_fails(settings: Settings) -> None:
    intake = SynchronousIntake(settings, Counts)
    event = created_in_bulk(1, 666)
    event["annotation"] *= 2
    with pytest.raises(FitError, match=r"2 of 2 events.*the beast"):
        intake.hand_in(_event(event), trusted=True, train=True)


def test_a_forgotten_project_starts_anew(settings: Settings) -> None:
    intake = SynchronousIntake(settings, Seed)
    intake.hand_in(_event(created(1, 5)), trusted=True, train=False)
    intake.forget(P)
    intake.hand_in(_event(created(1, 6)), trusted=True, train=True)
    assert VersionStore(settings.model_dir).versions(P)[0].train_output["ids"] == [6]


class Gated(LabelStudioMLBase):
    promote_if = "accuracy >= current"
    keep_versions = 2

    def fit(self, event, data, job=None, **kwargs):
        self.set("last", str(data["annotation"]["id"]))
        job.log(step=1, accuracy=0.01)
        job.log(step=2, accuracy=(data["annotation"]["id"] - 1000) / 10)


def test_what_a_run_logged_decides_whether_its_version_is_served(settings: Settings) -> None:
    intake = SynchronousIntake(settings, Gated)
    store = VersionStore(settings.model_dir)
    for number, served in ((5, 5), (3, 5), (6, 6), (1, 6), (2, 6), (7, 7)):
        job = intake.hand_in(_event(created(1, number)), trusted=True, train=True)
        now = store.served(P)
        assert now is not None
        assert job is not None
        assert ("held_back" in (intake.job_status(job) or {})) == (number != served)
        assert (now.metrics["accuracy"], now.gate) == (served / 10, "")
        assert StoredState(settings.model_dir, P).get("last") == str(1000 + served)
    seven = store.versions(P)[-1]
    assert [one.metrics["accuracy"] for one in store.versions(P)] == [0.6, 0.2, 0.7]
    assert seven.parent == next(one.name for one in store.versions(P) if one.metrics["accuracy"] == 0.6)


def test_a_gate_that_cannot_be_read_fails_before_fit(settings: Settings) -> None:
    class Mistaken(Seed):
        promote_if = "accuracy >= best"

    with pytest.raises(
        ModelFileError, match=r"Mistaken\.promote_if is 'accuracy >= best': 'best' is neither"
    ):
        SynchronousIntake(settings, Mistaken).hand_in(_event(created(1, 5)), trusted=True, train=True)
