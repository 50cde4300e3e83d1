"""Who predicts the tasks of a project."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from certificates import https_server, make
from label_studio_ml.config.settings import Settings
from label_studio_ml.projects import prediction_sources
from label_studio_ml.projects.prediction_sources import FallbackSource
from label_studio_ml.serving.offline_model import Outcome
from label_studio_ml.versions.state.project_state import Project


class Growing:
    """Stands for a model apart whose batches get larger as it learns how quick they are."""

    at_once = 1

    def __init__(self, *what: object) -> None:
        self.batch = 2
        self.sizes: list[int] = []

    async def start(self) -> str:
        return "INITIAL"

    async def ask(self, tasks: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        self.sizes.append(len(tasks))
        self.batch *= 2
        return [Outcome([{"task": task["id"]}]) for task in tasks]

    async def close(self) -> None:
        """There is nothing to end."""


def test_each_task_is_asked_for_once_though_batches_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_sources, "OfflineModel", Growing)

    async def test() -> None:
        prediction_source = FallbackSource(
            Settings(backend_dir=tmp_path, model_dir=tmp_path), Project(uid="1")
        )
        await prediction_source.start()
        found = await prediction_source.ask([{"id": number} for number in range(11)])
        assert [outcome.predictions[0]["task"] for outcome in found] == list(range(11))
        assert isinstance(prediction_source._offline_model, Growing)
        assert prediction_source._offline_model.sizes == [2, 4, 5]

    asyncio.run(test())


def test_the_note_about_a_backend_that_is_given_up_says_how_to_use_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_sources, "OfflineModel", Growing)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    notes: list[str] = []
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path)
    with https_server(make(tmp_path / "tls")) as url:
        source = FallbackSource(settings, Project(uid="1"), url, "", notes.append)
        assert asyncio.run(source.start()) == "INITIAL"
    (note,) = notes
    assert (
        "(self-signed certificate): the model is built in a process of its own. To use the backend: set"
        in note
    )
