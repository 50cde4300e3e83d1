"""A server that reports itself, with a real model process."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from helpers import run, until
from label_studio_ml.errors import BrokerError
from label_studio_ml.monitoring.counter_history import Sample
from label_studio_ml.monitoring.prometheus import SpoolFigures
from label_studio_ml.reports import server_reporting
from label_studio_ml.reports.server_report import ServerReport
from label_studio_ml.reports.server_reporting import ServerReporting
from label_studio_ml.reports.shared_reports import SharedReports
from label_studio_ml.training.records.job_store import JobStore
from pools import ONE, Bench, bench
from training.conftest import embedded_url, job_store, redis_url, url  # noqa: F401
from tricky import Tricky


def _reporting(made: Bench, shared: Any) -> ServerReporting:
    registry = made.pool.registry
    return ServerReporting(registry, shared, lambda: registry.counts, lambda: SpoolFigures(events=3, size=9))


class FlakyReports:
    """Takes reports and figures, unless it is `away`."""

    def __init__(self) -> None:
        self.away = False
        self.reports: list[ServerReport] = []
        self.samples: list[Sample] = []
        self.calls = 0

    def publish(self, report: ServerReport, samples: list[Sample]) -> None:
        self.calls += 1
        if self.away:
            raise BrokerError("Redis cannot be reached")
        self.reports.append(report)
        self.samples += samples

    def all(self) -> list[ServerReport]:
        if self.away:
            raise BrokerError("Redis cannot be reached")
        return self.reports[-1:]


def test_a_report_says_what_is_served_by_which_process(tmp_path: Path) -> None:
    async def check() -> None:
        async with bench(Tricky(tmp_path / "backend")) as made:
            reporting = _reporting(made, None)
            reporting.identity.address = "http://localhost:9090"
            assert reporting.own().served == ()
            made.publish(1)
            await made.ask()
            own = reporting.own()
            (served,) = own.served
            (process,) = own.processes
            assert (served.uid, served.state, served.version, served.version_id) == (
                ONE.uid,
                "loaded",
                "v1",
                "id1",
            )
            assert served.processes == (process.pid,) == (made.runners[0].pid,)
            assert served.since > reporting.identity.started
            assert served.last_request > 0
            assert served.params == ""
            assert (own.address, own.spool, own.spool_bytes) == ("http://localhost:9090", 3, 9)
            assert own.model_class == "Tricky"
            servers = await reporting.servers()
            assert [each.id for each in servers.reports] == [own.id], "alone without Redis"
            await reporting.stop()

    run(check())


def test_a_version_that_does_not_load_is_reported_with_the_one_that_serves(tmp_path: Path) -> None:
    async def check() -> None:
        tricky = Tricky(tmp_path / "backend")
        async with bench(tricky) as made:
            reporting = _reporting(made, None)
            made.publish(1)
            await made.ask()
            tricky.order("on_load.2", "raise this")
            made.publish(2)
            await made.pool.registry.refresh()
            await until(lambda: reporting.own().served[0].error, "the failure is known", 60)
            (served,) = reporting.own().served
            assert served.version == "v1"
            assert "told to this" in served.error
            assert served.failed_version == "v2"
            await reporting.stop()

    run(check())


def test_all_servers_are_seen_and_the_end_is_reported(
    tmp_path: Path,
    job_store: JobStore,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_reporting, "TICK", 0.01)

    async def check() -> None:
        shared = SharedReports(lambda: job_store)
        async with bench(Tricky(tmp_path / "one")) as made, bench(Tricky(tmp_path / "two")) as other_made:
            one, other = _reporting(made, shared), _reporting(other_made, shared)
            one.start()
            other.start()
            await until(lambda: len(shared.all()) == 2, "both have reported")
            seen = [[each.id for each in (await each_one.servers()).reports] for each_one in (one, other)]
            assert seen == [[one.identity.id, other.identity.id]] * 2
            await made.ask()
            await until(
                lambda: any(report.served for report in shared.all()), "a change is reported at once", 8.0
            )
            await one.stop()
            assert {each.id: each.ended for each in shared.all()} == {
                one.identity.id: True,
                other.identity.id: False,
            }
            await other.stop()

    run(check())


def test_samples_that_could_not_be_sent_are_sent_later_and_the_cause_is_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server_reporting, "TICK", 0.005)
    monkeypatch.setattr(server_reporting, "INTERVAL", 0.05)
    caplog.set_level(logging.INFO)

    async def check() -> None:
        async with bench(Tricky(tmp_path / "backend")) as made:
            shared = FlakyReports()
            shared.away = True
            reporting = _reporting(made, shared)
            reporting.start()
            await until(lambda: shared.calls > 3, "it goes on trying")
            servers = await reporting.servers()
            assert [each.id for each in servers.reports] == [reporting.identity.id]
            assert "cannot be reached" in servers.problem
            taken = list(reporting.history.samples)
            shared.away = False
            await until(lambda: len(shared.samples) >= len(taken), "the samples arrive")
            assert shared.samples[: len(taken)] == taken
            await reporting.stop()

    run(check())
    assert sum("cannot report itself" in record.message for record in caplog.records) == 1


def test_a_hanging_redis_does_not_delay_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_reporting, "LAST_REPORT_TIMEOUT", 0.05)

    async def check() -> None:
        async with bench(Tricky(tmp_path / "backend")) as made:
            shared, release = FlakyReports(), asyncio.Event()
            reporting = _reporting(made, shared)

            async def hang(*, ended: bool = False) -> None:
                await release.wait()

            monkeypatch.setattr(reporting, "_publish", hang)
            reporting.start()
            await asyncio.wait_for(reporting.stop(), 60)
            assert shared.reports == []

    run(check())
