"""The checks of `doctor` that run while somebody looks."""

import time
from pathlib import Path
from typing import Any

import pytest

from helpers import run, until
from label_studio_ml.config.settings import Settings
from label_studio_ml.dashboard.now import background_checks
from label_studio_ml.dashboard.now.background_checks import BackgroundChecks
from label_studio_ml.reports.shared_checks import Checks, Finding, OwnChecks
from tricky import Tricky

SETTINGS = Settings(backend_dir=Path(), studio_url="http://studio", studio_api_key="key")


class Doctor:
    """Stands for the child process: finds something about each project that it is asked about."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        monkeypatch.setattr(BackgroundChecks, "_run", lambda checks, project: self.run(project))

    def run(self, project: str) -> Checks:
        self.asked.append(project)
        found = (Finding("webhook", "fail", f"of {project}", project=project),) if project else ()
        return Checks(time.time(), "host", (Finding("disk", "ok", "free"), *found))


def test_the_real_doctor_finds_the_backend_down(tmp_path: Path) -> None:
    async def check() -> None:
        store = OwnChecks()
        checks = BackgroundChecks(Tricky(tmp_path / "backend").settings(), store, "a")
        assert await checks.current([]) is None
        await until(store.read, "the checks have run")
        found = await checks.current([])
        assert found is not None
        assert not found.error
        by_name = {finding.name: finding for finding in found.findings}
        assert by_name["packages"].status == "ok"
        assert by_name["server"].status == "fail"
        assert "model file" not in by_name, "the model is not run"
        await checks.close()

    run(check())


def test_fifty_viewers_cost_one_run_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    doctor = Doctor(monkeypatch)

    async def check() -> None:
        store = OwnChecks()
        servers = [BackgroundChecks(SETTINGS, store, name) for name in ("a", "b")]
        for _ in range(25):
            for checks in servers:
                await checks.current(["7"])
        await until(store.read, "the checks have run")
        for _ in range(25):
            for checks in servers:
                await checks.current(["7"])
        for checks in servers:
            await checks.close()

    run(check())
    assert doctor.asked == ["7"]


def test_projects_take_turns_and_findings_about_the_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    doctor = Doctor(monkeypatch)
    monkeypatch.setattr(background_checks, "INTERVAL", 0.0)

    async def check() -> None:
        store = OwnChecks()
        checks = BackgroundChecks(SETTINGS, store, "a")
        for _ in range(4):
            await _run_once(checks, ["7", "8", "9"])
        found = store.read()
        assert found is not None
        assert sorted(finding.project for finding in found.findings if finding.project) == ["7", "8", "9"]
        await _run_once(checks, ["8"])
        found = store.read()
        assert found is not None
        assert [finding.project for finding in found.findings if finding.project] == ["8"], "7 and 9 are gone"

    run(check())
    assert doctor.asked == ["7", "8", "9", "7", "8"]


def test_no_project_is_checked_without_a_login_for_label_studio(monkeypatch: pytest.MonkeyPatch) -> None:
    doctor = Doctor(monkeypatch)

    async def check() -> None:
        store = OwnChecks()
        checks = BackgroundChecks(Settings(backend_dir=Path()), store, "a")
        await checks.current(["7"])
        await until(store.read, "the checks have run")

    run(check())
    assert doctor.asked == [""]


def test_checks_that_take_too_long_or_say_nonsense_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = BackgroundChecks(Tricky(tmp_path / "backend").settings(), OwnChecks(), "a")

    def instead(*words: str) -> Any:
        return lambda settings, module, *arguments: ["/bin/sh", "-c", *words]

    monkeypatch.setattr(background_checks, "TIMEOUT", 0.2)
    monkeypatch.setattr(background_checks, "command", instead("exec sleep 60"))
    assert "took longer" in checks._run("").error
    monkeypatch.setattr(background_checks, "TIMEOUT", 60.0)
    monkeypatch.setattr(background_checks, "command", instead("echo nonsense"))
    assert "without findings" in checks._run("").error


def test_a_run_ends_with_its_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sleep = ["/bin/sh", "-c", "exec sleep 60"]
    monkeypatch.setattr(background_checks, "command", lambda settings, module, *arguments: sleep)

    async def check() -> None:
        checks = BackgroundChecks(Tricky(tmp_path / "backend").settings(), OwnChecks(), "a")
        await checks.current([])
        await until(lambda: checks._process is not None, "it runs")
        process = checks._process
        await checks.close()
        assert process is not None
        await until(lambda: process.poll() is not None, "it has ended", 10)

    run(check())


async def _run_once(checks: BackgroundChecks, projects: list[str]) -> None:
    """Let the checks run once, which are due at once."""
    await checks.current(projects)
    running = checks._running
    assert running is not None
    await running
