"""Projects whose label configs differ share no class and no module; how many processes there are for that."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from helpers import run, until
from keeping import ANIMALS, MORE_ANIMALS, PAPERS, Bench, bench, config
from label_studio_ml.serving.runners.thread_runner import ThreadRunner
from label_studio_ml.versions.state.project_state import Project

pytestmark = pytest.mark.usefixtures("clean_env")

LABELS = {ANIMALS.uid: ["cat", "dog"], MORE_ANIMALS.uid: ["cat", "dog"], PAPERS.uid: ["invoice", "letter"]}


async def _own_labels(it: Bench, project: Project, number: int = 1) -> Any:
    """Ask for one task, see that the labels are the project's own, and return the process's id."""
    said = await it.ask(project, number)
    assert (said["class"], said["module"]) == (LABELS[project.uid], LABELS[project.uid])
    return said["pid"]


@pytest.mark.parametrize("workers", [1, 2])
def test_labels_on_the_class_are_the_projects_own(tmp_path: Path, workers: int) -> None:
    async def test() -> None:
        async with bench(tmp_path / "be", workers=workers) as it:
            pids: dict[str, set[int]] = {uid: set() for uid in LABELS}
            for number in range(5):  # interleaved
                for project in (ANIMALS, PAPERS, MORE_ANIMALS):
                    pids[project.uid].add(await _own_labels(it, project, number))
            many = [project for project in (ANIMALS, PAPERS, MORE_ANIMALS) for _ in range(40)]
            for project, pid in zip(
                many,
                await asyncio.gather(*(_own_labels(it, project, n) for n, project in enumerate(many))),
                strict=True,
            ):
                pids[project.uid].add(pid)
            assert not pids[ANIMALS.uid] & pids[PAPERS.uid]
            assert len(pids[ANIMALS.uid] | pids[MORE_ANIMALS.uid]) <= workers
            assert len(it.runners) == it.pool.registry.processes.running == 2

    run(test())


def test_where_it_is_off_all_share_one_process(tmp_path: Path) -> None:
    async def test() -> None:
        async with bench(tmp_path / "be", separate=False) as it:
            said = [await it.ask(project) for project in (ANIMALS, PAPERS)]
            assert said[0]["pid"] == said[1]["pid"]
            assert len(it.runners) == 1

    run(test())


def test_threads_of_one_interpreter_are_not_made_for_each(tmp_path: Path) -> None:
    async def test() -> None:
        async with bench(tmp_path / "be", ThreadRunner) as it:
            for project in (ANIMALS, PAPERS):
                await it.ask(project)
            assert len(it.runners) == 1

    run(test())


def _papers(number: int) -> Project:
    """Return one of many projects, each with a label config of its own."""
    return Project(uid=f"{number}.9", label_config=config(f"label {number}"))


def test_the_one_that_was_asked_longest_ago_ends_for_one_more(tmp_path: Path) -> None:
    async def test() -> None:
        async with bench(tmp_path / "be", max_label_configs=2) as it:
            first = await it.ask(_papers(1))
            await it.ask(_papers(2))
            assert (await it.ask(_papers(1)))["pid"] == first["pid"]
            third = await it.ask(_papers(3))
            assert third["class"] == ["label 3"]
            assert len(it.running) == 2
            assert (await it.ask(_papers(1)))["pid"] == first["pid"]
            second = await it.ask(_papers(2))
            assert second["class"] == ["label 2"]
            assert len(it.running) == 2
            assert len(it.runners) == 4

    run(test())


@pytest.mark.parametrize("most", [1, 2])
def test_never_more_than_that_run_though_all_are_asked_at_once(tmp_path: Path, most: int) -> None:
    async def test() -> None:
        async with bench(tmp_path / "be", max_label_configs=most) as it:
            make = it.pool.registry.processes.make_runner

            def make_runner() -> Any:
                assert len(it.running) < most, "too many"
                return make()

            it.pool.registry.processes.make_runner = make_runner
            asked = [_papers(number) for number in (1, 2, 3) for _ in range(4)]
            said = await asyncio.gather(*(it.ask(project, n) for n, project in enumerate(asked)))
            for project, one in zip(asked, said, strict=True):
                assert one["class"] == one["module"] == [f"label {project.uid[0]}"]

    run(test())


def test_one_that_is_at_work_ends_after_its_answer(tmp_path: Path) -> None:
    async def test() -> None:
        async with bench(tmp_path / "be", max_label_configs=1) as it:
            it.close_gate("gate")
            slow = asyncio.create_task(it.ask(ANIMALS, 1, "gate"))
            await until(lambda: it.reached("gate"), "it is at work")
            other = asyncio.create_task(it.ask(PAPERS, 2))
            await until(lambda: it.pool.registry.processes._leaving, "it is to end")
            same = asyncio.create_task(it.ask(MORE_ANIMALS, 3))
            assert len(it.runners) == 1
            it.open_gate("gate")
            assert (await slow)["class"] == ["cat", "dog"]
            assert (await other)["class"] == ["invoice", "letter"]
            assert (await same)["class"] == ["cat", "dog"]
            assert it.pool.registry.processes.quick_deaths == 0

    run(test())


def test_a_changed_label_config_gets_a_process_and_the_old_one_ends(tmp_path: Path) -> None:
    async def test() -> None:
        async with bench(tmp_path / "be") as it:
            old = await _own_labels(it, ANIMALS)
            changed = Project(uid=ANIMALS.uid, label_config=config("cat", "dog", "bird"))
            said = await it.ask(changed)
            assert said["class"] == said["module"] == ["bird", "cat", "dog"]
            assert said["pid"] != old
            await it.pool.registry.refresh()
            await until(lambda: len(it.running) == 1, "the old process has ended")
            assert (await it.ask(changed))["pid"] == said["pid"]

    run(test())


def test_the_last_process_stays_when_its_project_is_forgotten(tmp_path: Path) -> None:
    async def test() -> None:
        async with bench(tmp_path / "be") as it:
            await _own_labels(it, ANIMALS)
            it.pool.registry.forget(ANIMALS.uid)
            await it.pool.registry.refresh()
            assert it.pool.registry.problem() == ""
            await _own_labels(it, PAPERS)
            await it.pool.registry.refresh()
            await until(lambda: len(it.running) == 1, "the process without a project has ended")
            assert len(it.runners) == 2
            await _own_labels(it, PAPERS)

    run(test())


def test_a_process_that_dies_is_nothing_to_the_others(tmp_path: Path) -> None:
    async def test() -> None:
        async with bench(tmp_path / "be") as it:
            animals, papers = [await _own_labels(it, project) for project in (ANIMALS, PAPERS)]
            it.runners[0]._kill()
            await until(lambda: len(it.running) == 2 and len(it.runners) == 3, "it is replaced")
            assert await _own_labels(it, PAPERS) == papers
            assert await _own_labels(it, ANIMALS) != animals
            assert it.pool.registry.counts.restarts == 1

    run(test())


@pytest.mark.parametrize("drain_first", [False, True])
def test_a_new_version_of_an_event_class_replaces_its_own_process_only(
    tmp_path: Path, drain_first: bool
) -> None:
    async def test() -> None:
        async with bench(tmp_path / "be", class_name="KeeperOfEvents", drain_first=drain_first) as it:
            for project in (ANIMALS, PAPERS):
                it.publish(project, 1)
            animals, papers = [await _own_labels(it, project) for project in (ANIMALS, PAPERS)]
            it.publish(ANIMALS, 2)
            said = await it.served(ANIMALS, 2)
            assert said["pid"] != animals
            assert await _own_labels(it, PAPERS) == papers
            await until(lambda: len(it.running) == 2, "the process before has ended")
            assert len(it.runners) == 3

    run(test())
