"""Models that are loaded again when their files are edited."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from helpers import run, until
from keeping import ANIMALS, LIMIT, MORE_ANIMALS, PAPERS, bench
from label_studio_ml.errors import BackendError
from label_studio_ml.serving.registry.code_watch import CodeWatch
from label_studio_ml.user_code.code_identity import identify

pytestmark = pytest.mark.usefixtures("clean_env")


def _settled(watch: CodeWatch) -> bool:
    """Look as often as a change needs to be believed."""
    return [watch.changed() for _ in range(3)].count(True) == 1


def test_a_change_is_noticed_once_and_only_when_it_has_settled(tmp_path: Path) -> None:
    script, helper = tmp_path / "model.py", tmp_path / "helper.py"
    script.write_text("import helper\n")
    helper.write_text("X = 1\n")
    watch = CodeWatch(script, lambda: identify(script))
    assert not watch.changed()
    helper.write_text("X = 2222\n")
    assert not watch.changed()
    helper.write_text("X = 33333\n")
    assert not watch.changed()
    assert watch.changed()
    assert not watch.changed()
    os.utime(helper, (1, 1))
    assert not _settled(watch)
    (tmp_path / "more.py").write_text("Y = 1\n")
    assert not _settled(watch)
    helper.write_text("import more\n")
    assert _settled(watch)
    (tmp_path / "more.py").write_text("Y = 22\n")
    assert _settled(watch)


@pytest.mark.parametrize("drain_first", [False, True])
def test_all_models_get_the_edited_code_and_no_request_is_lost(tmp_path: Path, drain_first: bool) -> None:
    async def test() -> None:
        async with bench(tmp_path / "be", drain_first=drain_first) as it:
            it.publish(PAPERS, 1, identify(it.script))
            projects = (ANIMALS, PAPERS, MORE_ANIMALS)
            before = [await it.ask(project) for project in projects]
            assert [said["code"] for said in before] == ["first"] * 3
            over = False

            async def flow() -> None:
                while not over:
                    assert (await it.ask(ANIMALS))["class"] == ["cat", "dog"]

            flows = [asyncio.create_task(flow()) for _ in range(3)]
            it.edit("second")
            await it.pool.registry.reload()
            after = [await it.ask(project) for project in projects]
            over = True
            await asyncio.gather(*flows)
            assert [said["code"] for said in after] == ["second"] * 3
            assert [said["version"] for said in after] == ["INITIAL", "v1", "INITIAL"]
            assert [said["class"] for said in after] == [said["class"] for said in before]
            await until(lambda: len(it.running) == 2, "the processes before have ended")

    run(test())


@pytest.mark.parametrize(
    "wrong", ["raise RuntimeError('on import')", "class Keeper(LabelStudioMLBase):\n    setup = None\n"]
)
def test_what_does_not_load_leaves_everything_as_it_was(tmp_path: Path, wrong: str) -> None:
    async def test() -> None:
        async with bench(tmp_path / "be") as it:
            it.publish(ANIMALS, 1, identify(it.script))
            before = await it.ask(ANIMALS)
            works = it.script.read_text()
            it.script.write_text(f"{works}\n{wrong}\n")
            for _ in range(2):
                with pytest.raises(BackendError):
                    await it.pool.registry.reload()
            assert await it.ask(ANIMALS) == before
            assert it.pool.registry.failures(ANIMALS.uid) == {}
            assert len(it.running) == 1
            it.script.write_text(works)
            it.edit("third")
            await it.pool.registry.reload()
            assert (await it.ask(ANIMALS))["code"] == "third"

    run(test())


@pytest.mark.parametrize("drain_first", [False, True])
def test_a_process_that_has_no_model_yet_is_renewed_too(tmp_path: Path, drain_first: bool) -> None:
    async def test() -> None:
        async with bench(tmp_path / "be", drain_first=drain_first) as it:
            it.edit("second")
            await it.pool.registry.reload()
            assert (await it.ask(ANIMALS))["code"] == "second"
            await until(lambda: len(it.running) == 1, "the first process has ended")

    run(test())


def test_a_process_of_a_group_that_ends_after_an_edit_gets_no_other_code_than_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with bench(tmp_path / "be", workers=2) as it:
            it.publish(ANIMALS, 1, identify(it.script))
            before = await it.served(ANIMALS, 1)
            it.edit("second")
            os.kill(before["pid"], signal.SIGKILL)
            codes: list[str] = []
            while not codes or codes[-1] != "second":
                said = [await it.ask(ANIMALS, number) for number in range(4)]
                codes += [one["code"] for one in said]
            assert codes == sorted(codes)  # never one code beside the other
            assert it.pool.registry.version(ANIMALS.uid) == "v1"
            await until(lambda: len(it.running) == 1, "the group with the code before has ended")
        assert "keeper.py): the process that ended is not replaced" in caplog.text

    run(test())


def test_a_group_with_the_code_before_goes_on_where_the_edited_code_does_not_load(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with bench(tmp_path / "be", workers=2) as it:
            before = await it.ask(ANIMALS)
            works = it.script.read_text()
            it.script.write_text(f"{works}\nclass Keeper(LabelStudioMLBase):\n    setup = None\n")
            os.kill(before["pid"], signal.SIGKILL)
            await until(lambda: "The edited code is not used" in caplog.text, "it says so", limit=LIMIT)
            assert (await it.ask(ANIMALS))["code"] == "first"
            it.script.write_text(works)
            it.edit("third")
            while (await it.ask(ANIMALS))["code"] != "third":
                pass

    run(test())
