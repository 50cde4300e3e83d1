"""Report this server to the others of its backend: every 10 s, and when it serves another version."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from label_studio_ml.errors import BrokerError
from label_studio_ml.monitoring.counter_history import INTERVAL, CounterHistory, Sample
from label_studio_ml.monitoring.counters import Counts
from label_studio_ml.monitoring.prometheus import SpoolFigures
from label_studio_ml.reports.server_report import ServerIdentity, ServerReport, describe, fingerprint
from label_studio_ml.reports.shared_reports import SharedReports
from label_studio_ml.serving.registry.model_registry import ModelRegistry

logger = logging.getLogger(__name__)

#: Seconds between two looks at the server's state.
TICK = 1.0
#: The number of the failure in a row that is logged: a broker of our own starts after the server.
LOGGED_FAILURE = 3
#: Seconds that the last report may take when the server stops.
LAST_REPORT_TIMEOUT = 1.0


class Servers(NamedTuple):
    """The reports of a backend's servers, and why there are none but this server's, empty if all could be read."""

    reports: list[ServerReport]
    problem: str = ""


class ServerReporting:
    """The history and the reports of this process's server. Lives on the event loop of `registry`.

    `shared` is where all servers report, None if this server is alone, without Redis. `counts` returns its counters,
    `spool` the figures of its spool.
    """

    def __init__(
        self,
        registry: ModelRegistry,
        shared: SharedReports | None,
        counts: Callable[[], Counts],
        spool: Callable[[], SpoolFigures],
    ) -> None:
        self.identity = ServerIdentity(secrets.token_hex(8), time.time())
        self.history = CounterHistory(counts, lambda: (registry.waiting, registry.in_flight))
        self._registry = registry
        self._shared = shared
        self._spool = spool
        self._thread = ThreadPoolExecutor(1, "reports")
        self._unsent: list[Sample] = []
        self._failures = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to report."""
        self._task = asyncio.create_task(self._report_regularly())

    async def stop(self) -> None:
        """Stop, and report that the server has ended, as far as Redis answers in time."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait([self._task])
        last = asyncio.ensure_future(self._publish(ended=True))
        await asyncio.wait([last], timeout=LAST_REPORT_TIMEOUT)
        last.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def own(self) -> ServerReport:
        """Return the present report of this server."""
        return describe(self.identity, self._registry, self._spool())

    async def servers(self) -> Servers:
        """Return the reports of all servers, with the present one of this server; only that one without Redis."""
        if self._shared is None:
            return Servers([self.own()])
        try:
            reports = await asyncio.to_thread(self._shared.all)
        except BrokerError as error:
            return Servers([self.own()], str(error))
        others = [report for report in reports if report.id != self.identity.id]
        return Servers(sorted([*others, self.own()], key=lambda report: (report.started, report.id)))

    async def figures(self, reports: Sequence[ServerReport]) -> list[Sequence[Sample]]:
        """Return the samples of the servers with these reports; only those of this server without Redis."""
        own = list(self.history.samples)
        others = [report.id for report in reports if report.id != self.identity.id]
        if self._shared is None or not others:
            return [own]
        try:
            return [own, *await asyncio.to_thread(self._shared.figures, others)]
        except BrokerError:
            return [own]

    async def _report_regularly(self) -> None:
        mark, before = int(time.time() // INTERVAL), None
        while True:
            try:
                now = time.time()
                is_due = int(now // INTERVAL) != mark
                served = fingerprint(self._registry)
                if is_due:
                    mark = int(now // INTERVAL)
                    self._unsent.append(self.history.take(mark * INTERVAL))
                    del self._unsent[: -len(self.history.samples)]
                else:
                    self.history.observe()
                if is_due or served != before:
                    before = served
                    await self._publish()
            except Exception:  # the reports must go on, and predictions do not depend on them
                logger.exception("This server's report of itself failed")
            await asyncio.sleep(TICK)

    async def _publish(self, *, ended: bool = False) -> None:
        """Send the report and the samples that were not sent yet. A Redis that goes on failing is logged once."""
        if self._shared is None:
            self._unsent.clear()
            return
        report = describe(self.identity, self._registry, self._spool(), ended=ended)
        samples = list(self._unsent)
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._thread, self._shared.publish, report, samples)
        except BrokerError as error:
            self._failures += 1
            log = logger.info if self._failures == LOGGED_FAILURE else logger.debug
            log("This server cannot report itself to the dashboard: %s", error)
        else:
            self._failures = 0
            del self._unsent[: len(samples)]
