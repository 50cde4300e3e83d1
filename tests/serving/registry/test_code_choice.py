"""Weights and code belong together: by which code a version is served after the files were edited."""

import asyncio
import logging
import time
from pathlib import Path

import msgspec
import pytest

from helpers import run, until
from keeping import ANIMALS, MORE_ANIMALS, PAPERS, Bench, bench
from label_studio_ml.serving.runners.thread_runner import ThreadRunner
from label_studio_ml.user_code import model_source
from label_studio_ml.user_code.code_identity import CodeIdentity, identify
from label_studio_ml.versions import operations

pytestmark = pytest.mark.usefixtures("clean_env")


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was said of versions that other code trained."""
    return [record.getMessage() for record in caplog.records if "and runs with code" in record.getMessage()]


@pytest.mark.parametrize("separate", [True, False])
@pytest.mark.parametrize("class_name", ["Keeper", "KeeperOfEvents"])
def test_a_version_of_edited_code_is_served_by_that_code(
    tmp_path: Path, class_name: str, separate: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with bench(tmp_path / "be", class_name=class_name, separate=separate) as it:
            first = identify(it.script)
            for project in (ANIMALS, MORE_ANIMALS):
                it.publish(project, 1, first)
            before = [await it.ask(project) for project in (ANIMALS, MORE_ANIMALS)]
            assert [said["code"] for said in before] == ["first", "first"]
            second = it.edit("second")
            it.publish(ANIMALS, 2, second)
            said = await it.served(ANIMALS, 2)
            assert said["code"] == "second"
            # The other project's version was trained by the code before: it stays where that is.
            for _ in range(3):
                await it.pool.registry.refresh()
                stays = await it.ask(MORE_ANIMALS)
                assert (stays["version"], stays["code"], stays["pid"]) == ("v1", "first", before[1]["pid"])
            it.publish(MORE_ANIMALS, 2, second)
            moved = await it.served(MORE_ANIMALS, 2)
            assert moved["code"] == "second"
            await it.pool.registry.refresh()
            await until(lambda: len(it.running) == 1, "the process with the code before has ended")
            assert _warnings(caplog) == []

    with caplog.at_level(logging.INFO, "label_studio_ml"):
        run(test())
    said = [record.getMessage() for record in caplog.records if "in a new process" in record.getMessage()]
    assert "version v2 was trained by other code" in said[0]
    assert "different: keeper.py" in said[0]


def test_no_request_is_lost_while_the_code_changes(tmp_path: Path) -> None:
    async def test() -> None:
        async with bench(tmp_path / "be") as it:
            it.publish(ANIMALS, 1, identify(it.script))
            over = False
            seen: set[tuple[str, str]] = set()

            async def flow() -> None:
                while not over:
                    said = await it.ask(ANIMALS)
                    seen.add((said["version"], said["code"]))

            flows = [asyncio.create_task(flow()) for _ in range(4)]
            try:
                it.publish(ANIMALS, 2, it.edit("second"))
                await it.served(ANIMALS, 2)
            finally:
                over = True
                await asyncio.gather(*flows)
            assert seen <= {("v1", "first"), ("v2", "second")}

    run(test())


def test_with_drain_first_the_process_before_ends_first(tmp_path: Path) -> None:
    async def test() -> None:
        async with bench(tmp_path / "be", drain_first=True) as it:
            it.publish(ANIMALS, 1, identify(it.script))
            await it.ask(ANIMALS)
            make = it.pool.registry.processes.make_runner

            def make_runner() -> object:
                assert not it.running
                return make()

            it.pool.registry.processes.make_runner = make_runner  # type: ignore[assignment]
            it.publish(ANIMALS, 2, it.edit("second"))
            assert (await it.served(ANIMALS, 2))["code"] == "second"

    run(test())


def test_code_that_is_not_on_this_machine_is_said_once_and_the_version_is_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with bench(tmp_path / "be") as it:
            here = identify(it.script)
            elsewhere = CodeIdentity(
                hash="f" * 64,
                files={**here.files, "keeper.py": "0"},
                packages={**here.packages, "numpy": "0.1"},
            )
            it.publish(ANIMALS, 1, elsewhere)
            assert (await it.served_now(ANIMALS))["code"] == "first"
            # a new token, say: the model is loaded again
            again = msgspec.structs.replace(ANIMALS, access_token="new")
            assert (await it.ask(again))["version"] == "v1"
            assert len(it.runners) == 1
            [said] = _warnings(caplog)
            assert "version v1 was trained (2026-11-23T00:00:00Z) by code ffffffff" in said
            assert f"and runs with code {here.short}" in said
            assert "different: keeper.py, numpy 0.1 instead of none" in said

    with caplog.at_level(logging.WARNING, "label_studio_ml"):
        run(test())


def test_a_version_whose_code_nobody_noted_is_served_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with bench(tmp_path / "be") as it:
            await it.ask(ANIMALS)
            it.edit("second")
            it.publish(ANIMALS, 1)
            assert (await it.served(ANIMALS, 1))["code"] == "first"
            assert len(it.runners) == 1
            assert _warnings(caplog) == []

    with caplog.at_level(logging.WARNING, "label_studio_ml"):
        run(test())


def test_a_file_that_is_edited_without_a_training_changes_nothing(tmp_path: Path) -> None:
    async def test() -> None:
        async with bench(tmp_path / "be") as it:
            it.publish(ANIMALS, 1, identify(it.script))
            await it.ask(ANIMALS)
            it.publish(ANIMALS, 2, identify(it.script))
            it.edit("second")
            assert (await it.served(ANIMALS, 2))["code"] == "first"
            assert len(it.runners) == 1

    run(test())


def test_going_back_finds_the_code_where_a_process_still_has_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with bench(tmp_path / "be") as it:
            first = identify(it.script)
            for project in (ANIMALS, MORE_ANIMALS):
                it.publish(project, 1, first)
                await it.ask(project)
            it.publish(ANIMALS, 2, it.edit("second"))
            await it.served(ANIMALS, 2)
            await _go_back(it)
            assert (await it.served(ANIMALS, 1))["code"] == "first"
            assert _warnings(caplog) == []
            it.pool.registry.forget(ANIMALS.uid)
            it.pool.registry.forget(MORE_ANIMALS.uid)
            await it.pool.registry.refresh()
            await until(lambda: len(it.running) == 1, "the process with the code before has ended")
            said = await it.ask(ANIMALS)
            assert (said["version"], said["code"]) == ("v1", "second")
            [warning] = _warnings(caplog)
            assert f"by code {first.short}" in warning

    with caplog.at_level(logging.WARNING, "label_studio_ml"):
        run(test())


async def _go_back(it: Bench) -> None:
    operations.rollback(it.store, it.folder / "data", ANIMALS.uid)


def test_a_file_that_is_broken_since_leaves_the_process_before(tmp_path: Path) -> None:
    async def test() -> None:
        async with bench(tmp_path / "be", retry_after=0.0) as it:
            it.publish(ANIMALS, 1, identify(it.script))
            assert (await it.ask(ANIMALS))["code"] == "first"
            second = it.edit("second")
            works = it.script.read_text()
            it.script.write_text(works.replace("import os\n", "import os\nraise RuntimeError('edited')\n"))
            it.publish(ANIMALS, 2, second)
            await it.pool.registry.refresh()
            for _ in range(3):
                said = await it.ask(ANIMALS)
                assert (said["version"], said["code"]) == ("v1", "first")
            it.script.write_text(works)
            assert (await it.served_now(ANIMALS, 2))["code"] == "second"
            assert it.pool.registry.failures(ANIMALS.uid) == {}

    run(test())


def test_a_version_that_loads_while_its_file_is_being_saved_is_served_by_the_saved_code(
    tmp_path: Path,
) -> None:
    async def test() -> None:
        reads = 0

        def on_disk() -> CodeIdentity:
            """Find the file empty twice, as a reader does while an editor writes it."""
            nonlocal reads
            reads += 1
            return CodeIdentity() if reads in (1, 2) else identify(tmp_path / "be" / "keeper.py")

        async with bench(tmp_path / "be", code_on_disk=on_disk) as it:
            it.publish(ANIMALS, 1, identify(it.script))
            await it.ask(ANIMALS)
            it.publish(ANIMALS, 2, it.edit("second"))
            assert (await it.served(ANIMALS, 2))["code"] == "second"
            assert reads >= 3

    run(test())


def test_a_file_that_takes_long_to_be_read_in_vain_is_not_read_again(tmp_path: Path) -> None:
    async def test() -> None:
        reads = 0

        def on_disk() -> CodeIdentity:
            """Take long, as where the class is found only by an import, which fails."""
            nonlocal reads
            reads += 1
            time.sleep(model_source.SAVING_TIME + 0.1)
            return CodeIdentity()

        async with bench(tmp_path / "be", code_on_disk=on_disk) as it:
            it.publish(ANIMALS, 1, identify(it.script))
            await it.ask(ANIMALS)
            it.publish(ANIMALS, 2, it.edit("second"))
            assert (await it.served(ANIMALS, 2))["code"] == "first"
            assert reads == 1

    run(test())


def test_a_thread_cannot_have_other_code_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with bench(tmp_path / "be", ThreadRunner) as it:
            await it.ask(PAPERS)
            it.publish(PAPERS, 1, it.edit("second"))
            assert (await it.served(PAPERS, 1))["code"] == "first"
            assert len(it.runners) == 1
            assert len(_warnings(caplog)) == 1

    with caplog.at_level(logging.WARNING, "label_studio_ml"):
        run(test())
