"""The routes and topics of the view Now, and of the banner that says what needs a person."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from label_studio_ml import __version__
from label_studio_ml.config.settings import Settings
from label_studio_ml.dashboard.now import now_calls
from label_studio_ml.dashboard.now.attention import attention
from label_studio_ml.dashboard.now.background_checks import BackgroundChecks
from label_studio_ml.dashboard.now.cached_reading import CachedReading
from label_studio_ml.dashboard.now.served_projects import ProjectRow, served_projects
from label_studio_ml.dashboard.page_request import PageRequest, Route, Topic
from label_studio_ml.errors import BrokerError
from label_studio_ml.http_server.messages import Response, json_response
from label_studio_ml.monitoring.counter_history import series, summary
from label_studio_ml.monitoring.error_groups import ErrorGroup
from label_studio_ml.protocol.requests import ANONYMOUS
from label_studio_ml.reports.error_records import ErrorRecords
from label_studio_ml.reports.server_report import ServerReport
from label_studio_ml.reports.server_reporting import ServerReporting, Servers
from label_studio_ml.reports.shared_checks import Checks
from label_studio_ml.reports.shared_reports import is_silent
from label_studio_ml.support.texts import our_command, whole_number
from label_studio_ml.training.overview.current_trainings import (
    RepredictionRow,
    TrainingOverview,
    overview,
    parked,
    repredictions,
)
from label_studio_ml.training.overview.worker_list import WorkerReport, workers
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.web.intake_interface import TrainingIntake
from label_studio_ml.web.project_registry import ProjectRegistry
from label_studio_ml.web.routes.health import Health

#: The most rows of projects, trainings, re-predictions and workers that are sent.
PROJECTS, TRAININGS, REPREDICTIONS, WORKERS = 20, 20, 10, 50
#: The most projects that the checks of `doctor` take turns with.
CHECKED_PROJECTS = 5
#: Seconds that readings are reused for: of trainings, of set aside events and refusals, and of the number of projects.
TRAININGS_EVERY, PARKED_EVERY, COUNT_EVERY = 1.0, 15.0, 10.0
#: The seconds whose figures are shown as those of now.
RECENT = 60.0


class TrainingState(msgspec.Struct, frozen=True):
    """What Redis says of trainings and workers; `problem` is why it says nothing, empty if it could be asked."""

    trainings: TrainingOverview = TrainingOverview()
    repredicting: int = 0
    repredictions: tuple[RepredictionRow, ...] = ()
    workers: tuple[WorkerReport, ...] = ()
    problem: str = ""


class NowPart:
    """The view Now of all servers of a backend.

    `job_store` returns the job records, None without Redis: then there are neither workers nor waiting trainings.
    `connect_command` connects the backend with a first project.
    """

    def __init__(
        self,
        reporting: ServerReporting,
        intake: TrainingIntake,
        projects: ProjectRegistry,
        health: Health,
        checks: BackgroundChecks,
        job_store: Callable[[], JobStore] | None,
        connect_command: str,
    ) -> None:
        self._reporting = reporting
        self._intake = intake
        self._projects = projects
        self._health = health
        self._checks = checks
        self._job_store = job_store
        self._connect_command = connect_command
        self._training = CachedReading(self._read_training, TRAININGS_EVERY)
        self._parked = CachedReading(self._read_parked, PARKED_EVERY)
        self._refusals = CachedReading(self._read_refusals, PARKED_EVERY)
        self._known = CachedReading(self._count_projects, COUNT_EVERY)

    @property
    def routes(self) -> Sequence[Route]:
        """The value of the topic `now` for clients that follow no topics."""
        return (Route(now_calls.NOW, self._now),)

    @property
    def topics(self) -> Sequence[Topic]:
        """The state of now, the figures of the last hour, and what needs a person."""
        return (
            Topic("now", self.read, interval=2.0),
            Topic("now-series", self.read_series, interval=10.0),
            Topic("attention", self.read_attention, interval=5.0),
        )

    async def close(self) -> None:
        """End the checks that run."""
        await self._checks.close()

    async def _now(self, request: PageRequest) -> Response:
        return json_response(200, await self.read(""))

    async def read(self, subject: str) -> dict[str, Any]:
        """Return what is served by which servers, the trainings, the workers, and what doctor found."""
        servers, training = await asyncio.gather(self._reporting.servers(), self._training.get())
        parked_events = await self._parked.get()
        stall = self._intake.stall
        running = _running(servers)
        shown = served_projects(running, stall.projects if stall else (), parked_events, PROJECTS)
        uids = [
            *(row.uid for row in shown.rows),
            *(training_row.uid for training_row in training.trainings.rows),
            *(reprediction.uid for reprediction in training.repredictions),
        ]
        titles = await self._titles(uids)
        checks = await self._read_checks(shown.rows)
        return {
            "version": __version__,
            "model_class": next((report.model_class for report in running if report.model_class), ""),
            "connect_command": self._connect_command,
            "redis": self._job_store is not None,
            "problem": servers.problem or training.problem,
            "servers": [self._server(report) for report in servers.reports if not report.ended],
            "projects": {
                "known": await self._known.get(),
                "served": shown.served,
                "failing": shown.failing,
                "rows": msgspec.to_builtins(shown.rows),
            },
            "trainings": msgspec.to_builtins(training.trainings),
            "parked": sum(parked_events.values()),
            "repredictions": {
                "projects": training.repredicting,
                "rows": msgspec.to_builtins(training.repredictions),
            },
            "workers": {
                "total": len(training.workers),
                "busy": sum(worker.state == "busy" for worker in training.workers),
                "rows": msgspec.to_builtins(training.workers[:WORKERS]),
            },
            "titles": titles,
            "checks": None if checks is None else _complaints(checks),
        }

    async def read_series(self, subject: str) -> dict[str, Any]:
        """Return the figures of all servers over the last hour, and over the last minute."""
        servers = await self._reporting.servers()
        figures = await self._reporting.figures(servers.reports)
        now = time.time()
        return {
            "series": msgspec.to_builtins(series(figures, now)),
            "recent": msgspec.to_builtins(summary(figures, now, RECENT)),
        }

    async def read_attention(self, subject: str) -> dict[str, Any]:
        """Return what needs a person."""
        servers = await self._reporting.servers()
        _, parts = await self._health.ready()
        parked_events = await self._parked.get()
        running = _running(servers)
        shown = served_projects(running, (), {}, PROJECTS)
        refusals = await self._refusals.get()
        checks = await self._read_checks(shown.rows)
        entries = attention(parts, running, parked_events, checks, refusals)
        value: dict[str, Any] = msgspec.to_builtins(entries)
        return value

    async def _read_training(self) -> TrainingState:
        if self._job_store is None:
            return TrainingState()
        return await asyncio.to_thread(_training_state, self._job_store)

    async def _read_parked(self) -> dict[str, int]:
        if self._job_store is None:
            return {}
        job_store = self._job_store
        try:
            return await asyncio.to_thread(lambda: parked(job_store()))
        except BrokerError:
            return {}

    async def _read_refusals(self) -> list[ErrorGroup]:
        """Return the errors of trainings that could not read Label Studio."""
        if self._job_store is None:
            return []
        job_store = self._job_store

        def read() -> list[ErrorGroup]:
            store = job_store()
            return [group for group in ErrorRecords(store.redis, store.keys).all() if group.kind == "studio"]

        try:
            return await asyncio.to_thread(read)
        except BrokerError:
            return []

    async def _count_projects(self) -> int:
        uids = await self._projects.uids()
        return sum(uid != ANONYMOUS for uid in uids)

    async def _read_checks(self, rows: Sequence[ProjectRow]) -> Checks | None:
        numbers = dict.fromkeys(row.number for row in rows if whole_number(row.number) is not None)
        try:
            return await self._checks.current(list(numbers)[:CHECKED_PROJECTS])
        except BrokerError:
            return None

    async def _titles(self, uids: Sequence[str]) -> dict[str, str]:
        """Return the known titles of the projects with these uids."""
        titles: dict[str, str] = {}
        for uid in dict.fromkeys(uids):
            project = await self._projects.get(uid)
            if project is not None and project.title:
                titles[uid] = project.title
        return titles

    def _server(self, report: ServerReport) -> dict[str, Any]:
        value: dict[str, Any] = msgspec.to_builtins(report)
        loaded = len(value.pop("served"))
        is_own = report.id == self._reporting.identity.id
        silent = is_silent(report, time.time())
        return {**value, "models": loaded, "silent": silent, "at": 0 if is_own else round(report.at)}


def connect_command(settings: Settings) -> str:
    """Return the command that connects a backend with a first project of its Label Studio."""
    url = settings.studio_url or "http://localhost:8080"
    return our_command("connect", settings.backend_dir.resolve(), "--url", url, "--project", 1)


def _running(servers: Servers) -> list[ServerReport]:
    now = time.time()
    return [report for report in servers.reports if not report.ended and not is_silent(report, now)]


def _training_state(job_store: Callable[[], JobStore]) -> TrainingState:
    try:
        records = job_store()
        due, rows = repredictions(records, REPREDICTIONS)
        return TrainingState(overview(records, TRAININGS), due, tuple(rows), tuple(workers(records)))
    except BrokerError as error:
        return TrainingState(problem=str(error))


def _complaints(checks: Checks) -> dict[str, Any]:
    """Return the failures and warnings among the findings, and how many checks there were."""
    complaints = sorted(
        (finding for finding in checks.findings if finding.status in ("fail", "warn")),
        key=lambda finding: finding.status,
    )
    made = sum(finding.status != "skip" for finding in checks.findings)
    value: dict[str, Any] = msgspec.to_builtins(checks)
    return {**value, "findings": msgspec.to_builtins(complaints), "made": made}
