"""What servers tell each other of a project: Label Studio calls `/setup` of one of them only."""

import asyncio
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from helpers import run, until
from label_studio_ml.errors import BrokerError, VersionError
from label_studio_ml.versions.state.project_state import Project, Projects
from label_studio_ml.web import project_registry as book_module
from label_studio_ml.web.project_registry import ProjectRegistry

UID = "1.1767225600"
SETUP: dict[str, Any] = {"label_config": "<View/>", "hostname": "http://studio", "access_token": "first"}


class Shared:
    """What lies in Redis, which may be away."""

    def __init__(self) -> None:
        self.known: dict[str, Project] = {}
        self.away = False
        self.asked = 0

    def described(self, uid: str) -> Project | None:
        self.asked += 1
        if self.away:
            raise BrokerError("Redis cannot be reached")
        return self.known.get(uid)

    def describe(self, project: Project) -> None:
        if self.away:
            raise BrokerError("Redis cannot be reached")
        self.known[project.uid] = project


@pytest.fixture
def shared() -> Shared:
    return Shared()


@pytest.fixture
def make(tmp_path: Path, shared: Shared) -> Callable[[str], ProjectRegistry]:
    return lambda name: ProjectRegistry(Projects(tmp_path / name), shared)


def test_what_one_server_was_told_all_know(
    make: Callable[[str], ProjectRegistry], shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book_module, "QUERY_INTERVAL_WITHOUT_TOKEN", 0.0)

    async def check() -> None:
        one, two = make("one"), make("two")
        assert await two.get(UID) is None
        await one.apply_setup(UID, **SETUP)
        await until(lambda: shared.known, "it is told")
        found = await two.get(UID)
        assert found is not None
        assert (found.hostname, found.access_token, found.label_config) == (
            "http://studio",
            "first",
            "<View/>",
        )

    run(check())


def test_a_server_that_only_predicts_learns_where_label_studio_is(
    make: Callable[[str], ProjectRegistry], shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book_module, "QUERY_INTERVAL", 0.0)
    monkeypatch.setattr(book_module, "QUERY_INTERVAL_WITHOUT_TOKEN", 0.0)

    async def check() -> None:
        one, two = make("one"), make("two")
        await two.update(UID, label_config="<View><Text/></View>")
        await one.apply_setup(UID, **SETUP)
        await until(lambda: shared.known, "it is told")

        async def learns(token: str) -> None:
            for _ in range(2000):
                found = await two.get(UID)
                assert found is not None
                assert found.label_config == "<View><Text/></View>", "what it heard itself stays"
                if found.access_token == token:
                    return
                await asyncio.sleep(0.01)
            raise AssertionError(token)

        await learns("first")
        await one.apply_setup(UID, **{**SETUP, "access_token": "second"})
        await learns("second")

    run(check())


def test_a_redis_that_is_away_keeps_nobody_from_what_is_known(
    make: Callable[[str], ProjectRegistry], shared: Shared, tmp_path: Path
) -> None:
    shared.away = True

    async def check() -> None:
        one = make("one")
        assert (await one.apply_setup(UID, **SETUP)).access_token == "first"
        found = await make("one").get(UID)
        assert found is not None
        assert found.access_token == "first"
        assert await make("two").get(UID) is None

    run(check())
    alone = ProjectRegistry(Projects(tmp_path / "alone"))
    run(alone.apply_setup(UID, **SETUP))


def test_what_the_disk_does_not_take_is_kept_in_memory_and_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    projects = Projects(tmp_path)
    registry = ProjectRegistry(projects)
    monkeypatch.setattr(book_module, "WRITE_RETRY", 0.0)

    def full(project: Project) -> None:
        raise VersionError("The state file cannot be used: database or disk is full")

    async def test() -> None:
        await registry.apply_setup(UID, **SETUP)
        with monkeypatch.context() as patch:
            patch.setattr(projects, "put", full)
            assert (await registry.update(UID, title="new")).title == "new"
            other = await registry.update("2.1", label_config="<View/>")
            assert other == await registry.get("2.1")
            assert await registry.uids() == [UID, "2.1"]
            known = projects.get(UID)
            assert known is not None
            assert known.title == ""
        await registry.get(UID)
        new = Project(uid=UID, title="new", **SETUP)
        await until(lambda: [projects.get("2.1"), projects.get(UID)] == [other, new], "both are written")

    run(test())
    assert (
        caplog.text.count("disk is full. Until it can be written, changes of projects are kept in memory")
        == 1
    )


def test_a_file_that_is_gone_has_all_again_after_the_next_setup(tmp_path: Path) -> None:
    registry = ProjectRegistry(Projects(tmp_path))

    def remove() -> None:
        for file in tmp_path.glob("projects.db*"):
            file.unlink()

    async def test() -> None:
        await registry.apply_setup(UID, **SETUP)
        await registry.update(UID, title="mine")
        remove()
        assert Projects(tmp_path).get(UID) is None
        await registry.apply_setup(UID, **SETUP)
        assert Projects(tmp_path).get(UID) == Project(uid=UID, title="mine", **SETUP)

    run(test())


class Counted(Projects):
    """Counts how often the file is asked to change."""

    merged = 0

    def merge(self, remembered: Project, changes: Mapping[str, Any]) -> Project:
        self.merged += 1
        return super().merge(remembered, changes)

    def settle(self, folder: Path) -> None:
        """Let the file's last write be a while ago."""
        for number, file in enumerate(sorted(folder.glob("projects.db*"))):
            before = file.stat().st_mtime_ns
            os.utime(file, ns=(before, before - (60 + number) * 1_000_000_000))


def test_a_setup_that_says_nothing_new_asks_the_file_only_where_somebody_wrote_to_it(tmp_path: Path) -> None:
    projects = Counted(tmp_path)
    registry = ProjectRegistry(projects)

    async def test() -> None:
        await registry.apply_setup(UID, **SETUP)
        await registry.apply_setup(UID, **SETUP)
        assert projects.merged == 2, "written too shortly ago to tell"
        projects.settle(tmp_path)
        for _ in range(5):
            await registry.apply_setup(UID, **SETUP)
        assert projects.merged == 3
        Projects(tmp_path).update(UID, title="theirs")
        await registry.apply_setup(UID, **SETUP)

        await until(lambda: registry._cached[UID].title == "theirs", "the file is asked soon after")
        projects.settle(tmp_path)
        assert (await registry.apply_setup(UID, **{**SETUP, "access_token": "new"})).access_token == "new"
        found = Projects(tmp_path).get(UID)
        assert found is not None
        assert (found.access_token, found.title) == ("new", "theirs")

    run(test())


def test_a_setup_that_says_nothing_new_does_not_wait_for_a_disk_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    projects = Counted(tmp_path)
    registry = ProjectRegistry(projects)
    monkeypatch.setattr(book_module, "CHECK_INTERVAL", 0.01)
    go_on, asked, stamp = threading.Event(), list[int](), projects.stamp

    def hanging() -> object:
        asked.append(1)
        assert go_on.wait(60)
        return stamp()

    async def test() -> None:
        await registry.apply_setup(UID, **SETUP)
        projects.settle(tmp_path)
        await registry.apply_setup(UID, **SETUP)
        Projects(tmp_path).delete(UID)
        with monkeypatch.context() as patch:
            patch.setattr(projects, "stamp", hanging)
            for _ in range(3):
                assert await registry.apply_setup(UID, **SETUP) == Project(uid=UID, **SETUP)
            await until(lambda: asked, "the file is asked in the background")
            assert (await registry.apply_setup(UID, **SETUP)).access_token == "first"
            assert len(asked) == 1, "one thread hangs, whatever comes"
            go_on.set()
            await until(
                lambda: Projects(tmp_path).get(UID) is not None, "what another process removed is back"
            )

    run(test())


def test_a_label_config_that_comes_before_the_file_is_asked_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    projects = Counted(tmp_path)
    registry = ProjectRegistry(projects)
    go_on, asked, stamp = threading.Event(), list[int](), projects.stamp

    def first_hangs() -> object:
        asked.append(1)
        assert len(asked) > 1 or go_on.wait(60)
        return stamp()

    async def test() -> None:
        await registry.apply_setup(UID, **SETUP)
        projects.settle(tmp_path)
        await registry.apply_setup(UID, **SETUP)
        monkeypatch.setattr(projects, "stamp", first_hangs)
        await registry.apply_setup(UID, **SETUP)
        await until(lambda: asked, "the file is asked in the background")
        await registry.update(UID, label_config="<View><Text/></View>")
        merged = projects.merged
        go_on.set()
        await until(lambda: projects.merged > merged, "what was sent is checked")
        await until(lambda: not registry._setup_locks[UID].locked(), "the check has ended")
        found = projects.get(UID)
        assert found is not None
        assert (found.label_config, found.access_token) == ("<View><Text/></View>", "first")
        assert await registry.get(UID) == found

    run(test())


def test_a_setup_is_written_where_the_disk_did_not_take_it_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    projects = Counted(tmp_path)
    registry = ProjectRegistry(projects)

    def full(project: Project) -> None:
        raise VersionError("The state file cannot be used: database or disk is full")

    async def test() -> None:
        await registry.apply_setup(UID, **SETUP)
        projects.settle(tmp_path)
        await registry.apply_setup(UID, **SETUP)
        with monkeypatch.context() as patch:
            patch.setattr(projects, "put", full)
            for _ in range(2):
                await registry.apply_setup(UID, **{**SETUP, "access_token": "new"})
        await registry.apply_setup(UID, **{**SETUP, "access_token": "new"})
        found = projects.get(UID)
        assert found is not None
        assert found.access_token == "new"

    run(test())


def test_what_the_last_setup_said_is_shared_last(
    make: Callable[[str], ProjectRegistry], shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`/setup` may take back what it applied, while Redis is slow."""
    slow, describe = threading.Event(), shared.describe

    def describe_slowly(project: Project) -> None:
        if project.extra_params == "wrong":
            slow.wait(5)
        describe(project)

    async def test() -> None:
        registry = make("a")
        await registry.apply_setup("1.1", access_token="t", extra_params="wrong")
        await registry.apply_setup("1.1", access_token="t", extra_params="right")
        await asyncio.sleep(0.05)
        slow.set()
        await until(lambda: not registry._tasks, "both are shared")

    monkeypatch.setattr(shared, "describe", describe_slowly)
    run(test())
    assert shared.known["1.1"].extra_params == "right"
