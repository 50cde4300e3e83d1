"""Readiness and metrics of a server, for /readyz and /metrics. Label Studio's own /health does not depend on them."""

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path

from label_studio_ml import __version__
from label_studio_ml.errors import BackendError, StoreError
from label_studio_ml.monitoring.counters import Counts
from label_studio_ml.monitoring.prometheus import ServerFigures, Training, render
from label_studio_ml.serving.registry.model_registry import ModelRegistry
from label_studio_ml.versions.state.project_state import PROJECTS_DB, Projects
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.web.intake_interface import TrainingIntake
from label_studio_ml.web.threads import Threads

#: Seconds for which a check of broker and store is reused, so that frequent probes add no load to them.
CHECK_INTERVAL = 1.0
#: Seconds that a request waits for a check; after that, the part being checked is reported as not answering.
CHECK_TIMEOUT = 3.0


@dataclass(slots=True)
class HealthCheck:
    """Result of a check: faults of store, broker and spool; whether store and broker answered; when it was made."""

    problems: dict[str, str] = field(default_factory=dict)
    serves: bool = False
    training: Training | None = None
    at: float = -CHECK_INTERVAL


class Health:
    """Readiness and metrics of one server.

    The server becomes ready when the model file is imported, and broker and store answered in one check. If Redis or
    the store fails later, the response names the fault but the server stays ready: it still predicts with the loaded
    models, and if all servers became unready at once, no predictions would be served. A store that cannot be written
    to, and events that no worker trains, are named only: predictions do not need them.
    """

    def __init__(
        self,
        registry: ModelRegistry,
        intake: TrainingIntake,
        store: VersionStore,
        model_dir: Path,
        counts: Counts,
        threads: Threads,
    ) -> None:
        self._threads = threads
        self._store = store
        self.draining = False
        self._registry = registry
        self._intake = intake
        self._model_dir = model_dir
        self._counts = counts
        self._projects = Projects(model_dir)
        self._last_check = HealthCheck()
        self._running_check: asyncio.Task[HealthCheck] | None = None
        #: The part that the running check asks.
        self._checked_part = ""
        self._was_ready = False

    async def ready(self) -> tuple[bool, dict[str, str]]:
        """Return whether the server is ready for requests, and the fault of each part, "ok" if it has none."""
        result = await self._recent_check()
        model = self._registry.problem()
        parts = {
            "model": model or "ok",
            **{part: result.problems.get(part, "ok") for part in ("store", "broker")},
        }
        if spool := result.problems.get("spool"):
            parts["spool"] = spool
        if stall := self._intake.stall:
            parts["training"] = stall.message
        if result.serves:
            self._was_ready = True
        if self.draining:
            parts["server"] = "it is shutting down"
        return (self._was_ready and not model and not self.draining), parts

    async def metrics(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        result = await self._recent_check()
        figures = ServerFigures(
            version=__version__,
            queue=self._registry.waiting,
            in_flight=self._registry.in_flight,
            processes=self._registry.processes.running,
            served=self._registry.served_versions(),
            up={
                "model": not self._registry.problem(),
                **{p: p not in result.problems for p in ("store", "broker")},
            },
            training=result.training,
            spool=self._intake.spool,
            stalled=len(stall.projects) if (stall := self._intake.stall) else 0,
        )
        return await asyncio.to_thread(render, self._counts, figures)

    async def _recent_check(self) -> HealthCheck:
        if time.monotonic() - self._last_check.at < CHECK_INTERVAL:
            return self._last_check
        if self._running_check is None or self._running_check.done():
            self._running_check = asyncio.create_task(self._check_all())
        await asyncio.wait([self._running_check], timeout=CHECK_TIMEOUT)
        if not self._running_check.done():
            return HealthCheck({self._checked_part: f"no answer within {CHECK_TIMEOUT:g} s"})
        return self._running_check.result()

    async def _check_all(self) -> HealthCheck:
        result = HealthCheck(serves=True)
        for part, check in (
            ("spool", self._check_spool),
            ("store", self._check_store),
            ("broker", self._check_broker),
        ):
            self._checked_part = part
            try:
                await self._threads.run(check, result)
            except (BackendError, OSError) as error:
                result.problems[part] = str(error)
                result.serves = result.serves and part == "spool"
                if part not in self._last_check.problems:
                    self._counts.error(part)
        result.at = time.monotonic()
        self._last_check = result
        return result

    def _check_store(self, result: HealthCheck) -> None:
        if problem := self._store.problem:
            raise StoreError(problem)
        if write_problem := self._store.write_problem:
            result.problems["store"] = write_problem
        if (self._model_dir / PROJECTS_DB).exists():
            self._projects.get("")  # raises if the database cannot be used
        if problems := self._store.decision_problems:
            result.problems["store"] = problems[0]
        folder = self._model_dir / "versions"
        with_versions = folder if folder.exists() else self._model_dir
        if with_versions.exists():
            next(with_versions.iterdir(), None)

    def _check_broker(self, result: HealthCheck) -> None:
        result.training = self._intake.figures()

    def _check_spool(self, result: HealthCheck) -> None:
        if problem := self._intake.spool_problem:
            result.problems["spool"] = problem
