"""From a run's outcome to a version: its name, its state, its events."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.config.metric_gate import Comparison
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import StaleFence, VersionError
from label_studio_ml.model_calls.adapter import ModelSpec
from label_studio_ml.training.process.publish import metrics_in, publish, published, version_with_events
from label_studio_ml.training.process.run_request import Outcome, RunRequest
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.user_code.code_identity import CodeIdentity
from label_studio_ml.versions.state.key_values import StoredState
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest

P = "3.1"


class Runs:
    """Publishes one outcome after the other, as a worker does."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(backend_dir=folder, model_dir=folder)
        self.store = VersionStore(folder)
        self.count = 0

    def publish(self, *events: str, fence: int = 0, **outcome: Any) -> Manifest:
        self.count += 1
        parent = self.store.served(P)
        version_id = f"id{self.count}"
        workdir = self.store.begin(P, version_id)
        spec = ModelSpec(project=Project(uid=P), version=parent.name if parent else "")
        stored = [StoredEvent("X", {}, id=event) for event in events]
        request = RunRequest(job=f"job{self.count}", spec=spec, events=stored, workdir=str(workdir))
        return publish(
            self.store,
            self.settings,
            request,
            Outcome(changed=True, **outcome),
            version_id=version_id,
            fence=fence or self.count,
        )


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def test_a_seed_version_is_named_by_its_time(runs: Runs) -> None:
    output = {"loss": 0.5, "name": "x", "flag": True}
    manifest = runs.publish("1-0", generation="seed", train_output=output)
    assert (manifest.name, manifest.id, manifest.job, manifest.parent) == ("id1", "id1", "job1", "")
    assert manifest.events == ["1-0"]
    assert manifest.metrics == {"loss": 0.5}
    assert manifest.code.hash == ""
    code = CodeIdentity(hash="abc", files={"model.py": "1"}, packages={"numpy": "2.0"})
    assert runs.publish(generation="seed", code=code).code == code
    [*_, stored] = VersionStore(runs.settings.model_dir).versions(P)
    assert stored.code == code
    assert runs.publish(generation="seed").parent == "id2"


def test_a_name_that_the_user_gives(runs: Runs) -> None:
    assert runs.publish(generation="seed", version="mine").name == "mine"
    assert runs.publish(generation="event", version="1.0").name == "1.0"


def test_no_name_comes_twice(runs: Runs) -> None:
    names = [runs.publish(generation="event", version=name).name for name in ("a", "a", "a", "b", "a-2", "a")]
    assert len(set(names)) == 6
    assert names[0] == "a"
    assert names[3] == "b"


@pytest.mark.parametrize("served", ["0.0.1", "Bert-v0.0.1", "mine-7"])
def test_without_a_name_it_is_never_the_one_that_was_served_before_any_training(
    runs: Runs, served: str
) -> None:
    """Label Studio asks for new predictions only when the name changes."""
    names = [runs.publish(generation="event", served=served).name]
    for _ in range(3):
        names.append(runs.publish(generation="event", served=names[-1]).name)
    assert len({served, *names}) == 5


def test_setting_the_served_name_again_makes_a_new_one(runs: Runs) -> None:
    assert runs.publish(generation="event", served="0.0.1", version="0.0.1").name != "0.0.1"


@pytest.mark.parametrize("version", ["INITIAL", "0.0.1"])
@pytest.mark.parametrize("generation", ["event", "seed"])
def test_the_name_of_an_untrained_model_is_never_a_versions(
    runs: Runs, version: str, generation: str
) -> None:
    made = runs.publish(generation=generation, served="mine", version=version)
    assert made.name == f"{version}-2"


@pytest.mark.parametrize(
    ("version", "why"),
    [
        (" ", "it is blank"),
        ("x" * 5000, r"it has 5,000 characters, at most 256"),
        ("a\nb", r"it holds '\\n'"),
        ("\x1b[31m", r"it holds '\\x1b'"),
        ("\ud800", r"it holds '\\ud800'"),
    ],
)
def test_what_cannot_name_a_version(runs: Runs, version: str, why: str) -> None:
    with pytest.raises(VersionError, match=why) as caught:
        runs.publish(generation="event", version=version)
    assert caught.value.field == "model_version"
    assert len(str(caught.value)) < 400
    assert runs.store.versions(P) == []


def test_state_is_stored_with_the_name_that_it_got(runs: Runs, tmp_path: Path) -> None:
    for _ in range(2):
        manifest = runs.publish(generation="event", version="v", state={"model_version": "v", "k": "1"})
    state = StoredState(tmp_path, P)
    assert state.get("k") == "1"
    assert state.get("model_version") == manifest.name == "v-2"


def test_a_stale_run_stores_no_state(runs: Runs, tmp_path: Path) -> None:
    runs.publish(fence=9, generation="seed")
    with pytest.raises(StaleFence):
        runs.publish(fence=3, generation="seed", state={"k": "late"})
    assert StoredState(tmp_path, P).get("k") is None


def test_events_that_versions_hold_already(runs: Runs) -> None:
    runs.publish("1-0", "2-0", generation="seed")
    second = runs.publish("3-0", generation="seed")
    waiting = [StoredEvent("X", {}, id=event) for event in ("2-0", "3-0", "4-0")]
    assert version_with_events(runs.store, P, waiting) == (second, ["2-0", "3-0"])
    assert version_with_events(runs.store, P, waiting[2:]) == (None, [])


def test_metrics_are_the_numbers_of_fit_over_what_it_logged(runs: Runs) -> None:
    output = {
        "loss": 0.5,
        "epochs": 3,
        "name": "x",
        "flag": True,
        "metrics": {"f1": 0.7, "loss": 0.4, "by": {}},
    }
    manifest = runs.publish(generation="seed", train_output=output, metrics={"loss": 9.0, "recall": 0.1})
    assert manifest.metrics == {"loss": 0.4, "epochs": 3, "f1": 0.7, "recall": 0.1}
    assert metrics_in({"metrics": 3, "nan": math.nan}) == {"metrics": 3, "nan": None}


def test_a_worse_version_is_held_back(runs: Runs, tmp_path: Path) -> None:
    gate: dict[str, Any] = {"generation": "event", "promote_if": "accuracy >= current"}
    first = runs.publish(
        **gate, metrics={"accuracy": 0.8}, version="good", state={"model_version": "good", "k": "1"}
    )
    worse = runs.publish(
        "9-0", **gate, metrics={"accuracy": 0.7}, version="bad", state={"model_version": "bad", "k": "2"}
    )
    assert (first.gate, worse.gate) == ("", "accuracy is 0.7, not >= 0.8 (the served version has 0.8)")
    assert [one.name for one in runs.store.versions(P)] == ["good", "bad"]
    assert runs.store.served(P) == first
    state = StoredState(tmp_path, P)
    assert (state.get("k"), state.get("model_version")) == ("1", "good")
    better = runs.publish(**gate, metrics={"accuracy": 0.75})
    assert (better.parent, bool(better.gate)) == ("good", True)
    assert runs.publish(**gate, metrics={"accuracy": 0.9}).gate == ""
    assert version_with_events(runs.store, P, [StoredEvent("X", {}, id="9-0")]) == (worse, ["9-0"])


def test_the_setting_wins_over_the_class(runs: Runs) -> None:
    runs.settings = replace(runs.settings, promote_if="loss < 1", keep_versions=1)
    assert runs.publish(generation="seed", metrics={"loss": 2}, promote_if="loss > 1").gate
    for _ in range(3):
        assert not runs.publish(generation="seed", metrics={"loss": 0.5}, keep_versions=0).gate
    assert [one.id for one in runs.store.versions(P)] == ["id3", "id4"]


def test_old_versions_go_and_their_names_and_events_stay_known(runs: Runs) -> None:
    for number in range(4):
        runs.publish(f"{number}-0", generation="event", version="same", keep_versions=1)
    assert [one.name for one in runs.store.versions(P)] == ["same-3", "same-4"]
    assert runs.publish(generation="event", version="same-2").name == "same-2-2"
    assert version_with_events(runs.store, P, [StoredEvent("X", {}, id="0-0")])[1] == ["0-0"]


def test_pollers_are_told_when_the_pairs_are_there(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    tell = VersionStore.announce

    def tells(store: VersionStore, uid: str) -> None:
        seen.append(StoredState(runs.settings.model_dir, uid).get("k"))
        tell(store, uid)

    monkeypatch.setattr(VersionStore, "announce", tells)
    runs.publish(generation="seed", state={"k": "v"})
    assert seen == ["v"]


def test_a_version_is_compared_on_the_same_tasks(runs: Runs) -> None:
    gate: dict[str, Any] = {"generation": "seed", "promote_if": "accuracy >= current"}
    first = runs.publish(metrics={"accuracy": 0.667}, **gate)
    on_sixteen = Comparison(
        version=first.name, tasks=16, new={"accuracy": 0.5625}, previous={"accuracy": 0.5}
    )
    other = Comparison(version="another", tasks=16, new=on_sixteen.previous, previous=on_sixteen.new)
    held = runs.publish(metrics={"accuracy": 0.5625}, comparison=other, **gate)
    assert held.gate == "accuracy is 0.5625, not >= 0.667 (the served version has 0.667)"
    second = runs.publish(metrics={"accuracy": 0.5625}, comparison=on_sixteen, **gate)
    assert (second.gate, second.comparison) == ("", on_sixteen)
    said = published(second)
    assert said["comparison"] == (
        f"measured against version {first.name} on the same 16 tasks: accuracy 0.5625 (before: 0.5)"
    )
    assert said["metrics"] == '{"accuracy":0.5625}'


def test_a_number_beyond_every_float_is_none_that_can_be_compared(runs: Runs) -> None:
    assert metrics_in({"loss": 10**400, "metrics": {"f1": 1}}) == {"loss": None, "f1": 1}
    assert runs.publish(generation="seed", train_output={"loss": 10**400}).metrics == {"loss": None}
