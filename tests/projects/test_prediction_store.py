"""Exactly one prediction for every task, whatever becomes of the requests that bring them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.errors import SettingsError, StudioUnavailable
from label_studio_ml.projects.journal import Journal
from label_studio_ml.projects.prediction_store import PredictionStore, Ready
from studio.fake import Reply

from .fake_project import CONFIG, RESULT, FakeProject

MakeProject = Callable[[int], FakeProject]


def ready(*tasks: int, **fields: Any) -> list[Ready]:
    return [(task, [{"result": RESULT, "score": 0.5, "model_version": "v"} | fields]) for task in tasks]


@pytest.fixture
def project(make_project: MakeProject) -> FakeProject:
    return make_project(6)


@pytest.fixture
def refused() -> dict[int, str]:
    return {}


@pytest.fixture
def make_store(
    project: FakeProject, tmp_path: Path, refused: dict[int, str]
) -> Iterator[Callable[..., PredictionStore]]:
    journals: list[Journal] = []

    def make(patience: float = 600.0) -> PredictionStore:
        for journal in journals:
            journal.close()
        journals.append(Journal(tmp_path / "journal", "1.1", "v"))
        api = project.api(patience=patience)
        return PredictionStore(api, journals[-1], "v", CONFIG, refused.__setitem__, sleep=lambda _: None)

    yield make
    for journal in journals:
        journal.close()


MakeStore = Callable[..., PredictionStore]


def test_stored_with_score_and_version(project: FakeProject, make_store: MakeStore) -> None:
    assert make_store().store(ready(1, 2)) == 2
    assert project.each("v") == {1: 1, 2: 1}
    assert project.predictions[0]["score"] == 0.5


@pytest.mark.parametrize("other", ["w", "v-2"], ids=["another", "similar"])
@pytest.mark.parametrize("stores", [True, False], ids=["stored", "lost"])
def test_an_answer_that_nobody_heard(
    project: FakeProject, make_store: MakeStore, stores: bool, other: str
) -> None:
    project.add(2, other)

    def cut(body: list[dict[str, Any]]) -> Reply | None:
        if project.uploads > 1:
            return None
        if stores:
            project.store(body)
        return Reply(201, b"", cut=10)

    project.before = cut
    assert make_store().store(ready(1, 2, 3)) == 3
    assert project.each("v") == {1: 1, 2: 1, 3: 1}


def test_a_request_that_is_carried_out_late_leaves_no_second_copy(
    project: FakeProject, make_store: MakeStore
) -> None:
    lost: list[list[dict[str, Any]]] = []

    def later(body: list[dict[str, Any]]) -> Reply | None:
        if project.uploads > 1:
            return None
        lost.append(body)
        return Reply(500)

    project.before = later
    project.add(6, "v")
    project.add(6, "v")
    store = make_store()
    assert store.store(ready(1, 2)) == 2
    project.store(lost[0])
    assert project.each("v") == {1: 2, 2: 2, 6: 2}

    assert store.reconcile() == 2
    assert project.each("v") == {1: 1, 2: 1, 6: 2}, "what this run did not store is none of its business"


def test_a_killed_run_is_taken_up_and_what_came_late_is_removed(
    project: FakeProject, make_store: MakeStore, tmp_path: Path
) -> None:
    killed = Journal(tmp_path / "journal", "1.1", "v")
    killed.begin([1, 2])
    killed.close()

    store = make_store()
    store.recover()
    assert store.store(ready(1, 2, 3)) == 3
    again = make_store()  # that run was killed, too
    again.recover()
    project.store([{"task": 1, "model_version": "v", "result": RESULT, "score": 0.5}])
    assert again.reconcile() == 1
    assert project.each("v") == {1: 1, 2: 1, 3: 1}
    assert make_store().reconcile() == 0


def test_several_predictions_of_one_task_are_no_copies(project: FakeProject, make_store: MakeStore) -> None:
    store = make_store()
    two = [{"result": RESULT, "score": score} for score in (0.5, 0.4)]
    assert store.store([(1, two)]) == 1
    store._journal.doubtful = {1}
    assert store.reconcile() == 0
    project.add(1, "v", score=0.4)
    store._journal.doubtful = {1}
    assert store.reconcile() == 1


def test_a_task_that_is_gone_takes_no_other_with_it(
    project: FakeProject, make_store: MakeStore, refused: dict[int, str]
) -> None:
    del project.tasks[3]
    assert make_store().store(ready(1, 2, 3, 4, 5)) == 4
    assert project.each("v") == {1: 1, 2: 1, 4: 1, 5: 1}
    assert refused.keys() == {3}
    assert "invalid task" in refused[3]


def test_a_prediction_that_does_not_fit_is_told(
    project: FakeProject, make_store: MakeStore, refused: dict[int, str]
) -> None:
    unfit = [RESULT[0] | {"from_name": "nowhere"}]
    assert make_store().store([*ready(1), *ready(2, result=unfit)]) == 1
    assert refused.keys() == {2}
    assert refused[2].startswith("the prediction does not fit the label config: ")


def test_a_busy_label_studio_is_waited_for(project: FakeProject, make_store: MakeStore) -> None:
    project.before = lambda body: Reply(503) if project.uploads < 6 else None
    assert make_store().store(ready(1)) == 1
    project.before = lambda body: Reply(429)
    with pytest.raises(StudioUnavailable):
        make_store(patience=0.2).store(ready(2))


def test_one_run_at_a_time(make_store: MakeStore, tmp_path: Path) -> None:
    make_store()
    with pytest.raises(SettingsError, match="Another run"):
        Journal(tmp_path / "journal", "1.1", "v")
    Journal(tmp_path / "journal", "1.1", "other").close()
