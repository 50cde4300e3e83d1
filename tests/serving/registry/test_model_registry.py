"""The model for a request while models are replaced, in processes that run nothing."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from helpers import run
from label_studio_ml.serving.registry.loaded_model import LoadedModel
from label_studio_ml.serving.registry.loaded_models import LoadedModels
from label_studio_ml.serving.registry.model_registry import ModelRegistry
from label_studio_ml.serving.registry.serving_process import ServingProcess
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.local_store import VersionStore

PROJECT = Project(uid="1.1")


class Runner:
    """A runner that has started and removes models without a word."""

    def __init__(self) -> None:
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def unload(self, number: int) -> None:
        pass


def _supersede(models: LoadedModels, model: LoadedModel) -> None:
    models.supersede(model)


def _lose(models: LoadedModels, model: LoadedModel) -> None:
    """Remove a model whose process has ended."""
    models.withdraw(model, unload=False)


@pytest.mark.parametrize("remove", [_supersede, _lose])
def test_a_reloaded_model_without_its_place_is_not_at_hand(
    tmp_path: Path, remove: Callable[[LoadedModels, LoadedModel], None]
) -> None:
    """A reload builds a model from one that was superseded, whose other successor goes before it is loaded."""

    async def test() -> None:
        registry = ModelRegistry(lambda: cast("Any", None), VersionStore(tmp_path))

        def create(*, loaded: bool) -> LoadedModel:
            process = ServingProcess(cast("Any", Runner()), cast("Any", None), 0.0)
            model = registry.models.create(PROJECT, None, process)
            if loaded:
                model.succeed("v1")
            return model

        first, successor, reloaded = create(loaded=True), create(loaded=False), create(loaded=True)
        registry.models.add(first)
        registry.models.replace(None, first)
        assert registry.current_model(PROJECT) is first
        registry.models.supersede(first)
        assert registry.current_model(PROJECT) is None
        registry.models.add(successor)
        registry.models.replace(first, reloaded)
        remove(registry.models, successor)
        assert registry.current_model(PROJECT) is None
        assert registry.models.serving_now(PROJECT.uid) is reloaded, "it answers until a successor is loaded"

    run(test())
