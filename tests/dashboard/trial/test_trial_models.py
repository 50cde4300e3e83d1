"""Versions on trial: how many models there are, who shares them, and when they end."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from helpers import run, until
from label_studio_ml.config.settings import Settings
from label_studio_ml.dashboard.trial.trial_models import TrialModels
from label_studio_ml.errors import DeadlineExceeded, ModelLoadError, Overloaded
from label_studio_ml.serving.offline_model import Outcome
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.manifest import Manifest
from tricky import CONFIG, Tricky, alive, task

ONE = Project(uid="1.1", label_config=CONFIG)


def _version(name: str) -> Manifest:
    return Manifest(id=name, name=name, project="1.1", fence=1, created="", train_output={"number": 7})


class _Model:
    """Stands for an OfflineModel; answers when `gate` is set."""

    def __init__(self, made: "list[_Model]", manifest: Manifest | None) -> None:
        made.append(self)
        self.version = manifest.name if manifest else ""
        self.info: Any = object()
        self.pid = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.calls = 0
        self.fails = False
        self.closed = False

    async def ask(
        self, tasks: Sequence[Mapping[str, Any]], params: bytes, *, interactive: bool
    ) -> list[Outcome]:
        self.calls += 1
        if self.fails:
            self.info = None
            raise ModelLoadError("cannot be built")
        await self.gate.wait()
        return [Outcome(predictions=[{"result": [], "interactive": interactive}])]

    async def close(self) -> None:
        self.closed = True


@asynccontextmanager
async def _models(
    tmp_path: Path, *, gated: bool = False, **options: Any
) -> AsyncIterator[tuple[TrialModels, list[_Model]]]:
    made: list[_Model] = []

    def make(settings: Settings, project: Project, manifest: Manifest | None) -> Any:
        assert settings.model_workers == 1
        model = _Model(made, manifest)
        if gated:
            model.gate.clear()
        return model

    settings = Settings(backend_dir=tmp_path, model_workers=3)
    models = TrialModels(settings, make, **options)
    yield models, made
    await models.close()
    assert all(model.closed for model in made)


async def _ask(models: TrialModels, name: str, **options: Any) -> str:
    return (await models.ask(ONE, _version(name), task(1), b"{}", **options))[0]


def test_viewers_of_a_version_share_its_model(tmp_path: Path) -> None:
    async def play() -> None:
        async with _models(tmp_path) as (models, made):
            answers = await asyncio.gather(*(_ask(models, "a") for _ in range(20)))
            assert answers == ["a"] * 20
            assert [model.calls for model in made] == [20]
            assert [one["version"] for one in models.describe()] == ["a"]

    run(play())


def test_a_third_version_ends_the_one_not_used_for_the_longest_time(tmp_path: Path) -> None:
    async def play() -> None:
        async with _models(tmp_path) as (models, made):
            for name in "aba":
                await _ask(models, name)
            await _ask(models, "c")
            assert [model.version for model in made if model.closed] == ["b"]

    run(play())


def test_a_version_in_use_is_not_ended_for_another(tmp_path: Path) -> None:
    async def play() -> None:
        async with _models(tmp_path, most=1) as (models, made):
            await _ask(models, "a")
            made[0].gate.clear()
            waiting = asyncio.create_task(_ask(models, "a"))
            await until(lambda: made[0].calls == 2, "the model is asked")
            with pytest.raises(Overloaded, match="1 other version"):
                await _ask(models, "b")
            made[0].gate.set()
            assert await waiting == "a"
            assert await _ask(models, "b") == "b"

    run(play())


def test_a_model_ends_some_time_after_its_last_use(tmp_path: Path) -> None:
    async def play() -> None:
        async with _models(tmp_path, idle=0.05) as (models, made):
            await _ask(models, "a")
            await until(lambda: made[0].closed, "the model is ended")
            assert models.describe() == []

    run(play())


def test_a_version_that_cannot_be_built_takes_no_place(tmp_path: Path) -> None:
    async def play() -> None:
        async with _models(tmp_path, most=1) as (models, made):
            await _ask(models, "a")
            made[0].fails = True
            with pytest.raises(ModelLoadError):
                await _ask(models, "a")
            assert made[0].closed
            assert models.describe() == []

    run(play())


def test_a_slow_model_keeps_nobody_waiting_and_goes_on_loading(tmp_path: Path) -> None:
    async def play() -> None:
        async with _models(tmp_path, gated=True, patience=0.05) as (models, made):
            with pytest.raises(DeadlineExceeded, match="goes on loading"):
                await _ask(models, "a")
            assert models.is_loaded(ONE, _version("a"))
            made[0].gate.set()

    run(play())


def test_a_real_version_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    async def play() -> None:
        models = TrialModels(Tricky(tmp_path).settings())
        try:
            name, outcome = await models.ask(ONE, _version("v7"), task(1), b"{}")
            assert name == "v7"
            assert outcome.predictions[0]["result"][0]["number"] == 7
            ((trial,), (shown,)) = list(models._trials.values()), models.describe()
            pid = trial.model.pid
            assert pid is not None
            assert alive(pid)
            assert shown["memory"] > 1 << 20
            _, interactive = await models.ask(
                ONE, _version("v7"), task(2), b'{"context": {"result": []}}', interactive=True
            )
            assert interactive.predictions or interactive.error
            _, outcome = await models.ask(ONE, _version("v7"), task(3, do="kill"), b"{}")
            assert "ended" in outcome.error or "killed" in outcome.error
            pid = trial.model.pid
        finally:
            await models.close()
        assert not alive(pid or 0)

    run(play())
