"""A pool of live models over a `Tricky` folder, for tests of what it does with requests and versions."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from helpers import strict
from label_studio_ml.protocol.requests import PredictRequest, parse_predict
from label_studio_ml.serving.prediction_service import DEADLINE, PredictionService
from label_studio_ml.serving.registry.model_registry import ModelRegistry
from label_studio_ml.serving.runners.process_runner import ModelRunner, ProcessRunner
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest
from tricky import CONFIG, Tricky, alive, task

ONE = Project(uid="1.1", label_config=CONFIG)
LIMIT = 200.0


def service(
    make_runner: Callable[[], ModelRunner],
    store: VersionStore,
    *,
    deadline: float = DEADLINE,
    log_request_ids: bool = False,
    **options: Any,
) -> PredictionService:
    """Return a prediction service with a registry of its own; `options` are the registry's."""
    registry = ModelRegistry(make_runner, store, **options)
    return PredictionService(registry, deadline=deadline, log_request_ids=log_request_ids)


@dataclass
class Bench:
    """A pool, and a hand that publishes versions."""

    pool: PredictionService
    store: VersionStore
    tricky: Tricky
    runners: list[Any] = field(default_factory=list)

    async def ask(self, *tasks: dict[str, Any], **options: Any) -> list[Any]:
        params = options.pop("params", None)
        request = parse_predict(json.dumps({"tasks": tasks or [task(1)], "params": params}).encode())
        return await self.send(request, **options)

    async def send(self, request: PredictRequest, **options: Any) -> list[Any]:
        entries: list[Any] = strict(await asyncio.wait_for(self.pool.predict(ONE, request, **options), LIMIT))
        assert len(entries) == len(request.tasks)
        return entries

    @property
    def asked(self) -> list[list[int]]:
        """The numbers of the tasks of each call of the model."""
        return [json.loads(line) for line in self.tricky.lines("predicts")]

    def waiting(self) -> int:
        return len(next(iter(self.pool.registry.models.by_key.values())).process.batcher)

    def publish(self, number: int) -> None:
        version_id = f"id{number}"
        self.store.begin(ONE.uid, version_id)
        created = "2026-11-23T00:00:00Z"
        self.store.publish(
            Manifest(
                id=version_id,
                name=f"v{number}",
                project=ONE.uid,
                fence=number,
                created=created,
                train_output={"number": number},
            )
        )


@asynccontextmanager
async def bench(
    tricky: Tricky, make: Any = ProcessRunner, class_name: str = "Tricky", **options: Any
) -> AsyncIterator[Bench]:
    settings = tricky.settings(class_name)
    runners: list[Any] = []

    def make_runner() -> Any:
        runners.append(make(settings))
        return runners[-1]

    store = VersionStore(settings.model_dir)
    made = Bench(service(make_runner, store, **options), store, tricky, runners)
    await made.pool.registry.start()
    try:
        yield made
    finally:
        await asyncio.wait_for(made.pool.registry.close(), LIMIT)
        assert not [
            runner.pid for runner in runners if isinstance(runner, ProcessRunner) and alive(runner.pid or 0)
        ]
