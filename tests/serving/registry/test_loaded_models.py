"""The states of loaded models: who is found, who serves, and when a process removes a model."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from helpers import run
from label_studio_ml.errors import ModelLoadError
from label_studio_ml.serving.registry import loaded_models
from label_studio_ml.serving.registry.loaded_model import TRANSITIONS, LoadedModel, ModelState
from label_studio_ml.serving.registry.loaded_models import LoadedModels
from label_studio_ml.serving.registry.serving_process import ServingProcess
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.manifest import Manifest


class Runner:
    """Records which models it is told to remove."""

    def __init__(self) -> None:
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.removed: list[int] = []

    def unload(self, number: int) -> None:
        self.removed.append(number)


class Table:
    """A record of models in one process, which load as the test says."""

    def __init__(self) -> None:
        self.models = LoadedModels()
        self.runner = Runner()
        self.process = ServingProcess(cast("Any", self.runner), cast("Any", None), 0.0)

    def load(self, number: int, uid: str = "1.1", *, loaded: bool = True) -> LoadedModel:
        """Add a model of version `number`."""
        manifest = Manifest(
            id=f"id{number}", name=f"v{number}", project=uid, fence=number, created="2026-11-23T00:00:00Z"
        )
        model = self.models.create(Project(uid=uid), manifest, self.process)
        self.models.add(model)
        if loaded:
            model.succeed(manifest.name)
        return model


def checked(check: Callable[[Table], None]) -> None:
    async def test() -> None:
        check(Table())

    run(test())


def test_a_withdrawn_model_is_removed_once_and_after_its_last_request() -> None:
    def check(table: Table) -> None:
        model = table.load(1)
        model.in_flight += 2
        table.models.withdraw(model)
        table.models.leave(model)
        assert (model.state, table.runner.removed) == (ModelState.WITHDRAWN, [])
        table.models.leave(model)
        table.models.withdraw(model)
        assert (model.state, table.runner.removed) == (ModelState.REMOVED, [model.number])

    checked(check)


def test_a_model_that_is_withdrawn_while_it_loads_is_removed_when_it_is_loaded() -> None:
    def check(table: Table) -> None:
        model = table.load(1, loaded=False)
        table.models.withdraw(model)
        assert table.runner.removed == []
        model.succeed("v1")
        assert model.state is ModelState.WITHDRAWN
        table.models.unload_if_idle(model)
        assert table.runner.removed == [model.number]

    checked(check)


def test_a_process_that_ends_is_told_nothing() -> None:
    def check(table: Table) -> None:
        first, second = table.load(1), table.load(2)
        table.models.withdraw(first, unload=False)
        assert first.state is ModelState.REMOVED
        table.runner.ended.set_result("it was killed")
        table.models.withdraw(second)
        assert table.runner.removed == []

    checked(check)


def test_the_new_version_takes_the_place_of_the_one_before() -> None:
    def check(table: Table) -> None:
        first, second = table.load(1), table.load(2, loaded=False)
        table.models.replace(None, first)
        assert table.models.serving_now("1.1") is first
        second.succeed("v2")
        table.models.replace(first, second)
        assert table.models.serving == {"1.1": second}
        assert list(table.models.by_key.values()) == [second]
        assert table.runner.removed == [first.number]

    checked(check)


def test_a_superseded_model_serves_until_its_successor_does_but_is_not_found() -> None:
    def check(table: Table) -> None:
        model = table.load(1)
        table.models.replace(None, model)
        table.models.supersede(model)
        assert (model.state, table.models.by_key) == (ModelState.SUPERSEDED, {})
        assert table.models.serving_now("1.1") is model
        assert table.models.in_process(table.process) == [model]
        # Loaded in another process, as when all models of a process are loaded again.
        successor = table.models.create(model.project, model.manifest, table.process)
        successor.succeed("v1")
        table.models.replace(model, successor)
        assert list(table.models.by_key.values()) == list(table.models.serving.values()) == [successor]
        assert model.state is ModelState.REMOVED

    checked(check)


def test_a_successor_of_a_model_that_has_lost_its_place_is_removed() -> None:
    def check(table: Table) -> None:
        model = table.load(1)
        successor = table.models.create(model.project, model.manifest, table.process)
        successor.succeed("v1")
        table.models.withdraw(model)
        newer = table.load(2)
        table.models.replace(None, newer)
        table.models.replace(model, successor)
        assert table.models.all() == [newer]
        assert table.runner.removed == [model.number, successor.number]

    checked(check)


def test_idle_models_are_evicted_the_least_recently_used_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loaded_models, "MAX_LOADED", 2)

    def check(table: Table) -> None:
        busy, idle = table.load(1), table.load(2)
        busy.in_flight += 1
        loading = table.load(3, loaded=False)
        assert list(table.models.by_key.values()) == [busy, loading]
        assert table.runner.removed == [idle.number]

    checked(check)


def test_a_failed_model_can_only_be_withdrawn_or_superseded() -> None:
    def check(table: Table) -> None:
        model = table.load(1, loaded=False)
        model.fail(ModelLoadError("no weights"))
        model.succeed("v1")
        assert (model.state, str(model.failure)) == (ModelState.FAILED, "no weights")
        assert not model.enter(ModelState.LOADED)
        table.models.withdraw(model)
        assert (model.state, table.runner.removed) == (ModelState.WITHDRAWN, [])

    checked(check)


def test_every_state_has_its_transitions_and_the_last_has_none() -> None:
    assert set(TRANSITIONS) == set(ModelState)
    assert [state for state, following in TRANSITIONS.items() if not following] == [ModelState.REMOVED]
