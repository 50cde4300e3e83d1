"""Models that are loaded once, and versions that are not blamed for the end of their process."""

import asyncio
from pathlib import Path

import pytest

from helpers import run, until
from keeping import ANIMALS, MORE_ANIMALS, bench

pytestmark = pytest.mark.usefixtures("clean_env")

LOADS = """
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        with open(__file__ + ".loads", "a") as file:
            file.write(f"{self.project_id} {self.train_output.get('number', 0)}\\n")
"""


WAITS = """
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.train_output.get("number") == 9:
            wait_for("gate")
"""


@pytest.mark.parametrize("class_name", ["Keeper", "KeeperOfEvents"])
@pytest.mark.parametrize("drain_first", [False, True])
def test_two_projects_whose_code_changes_at_once_share_the_new_process(
    tmp_path: Path, class_name: str, drain_first: bool
) -> None:
    async def test() -> None:
        async with bench(tmp_path / "be", class_name=class_name, drain_first=drain_first) as it:
            it.script.write_text(
                it.script.read_text().replace("    labels = ()\n", f"    labels = ()\n{LOADS}")
            )
            await it.pool.registry.reload()
            both = (ANIMALS, MORE_ANIMALS)
            for project in both:
                it.publish(project, 1)
            await asyncio.gather(*(it.ask(project) for project in both))
            made = len(it.runners)
            second = it.edit("second")
            for project in both:
                it.publish(project, 2, second)
            await it.pool.registry.refresh()
            said = await asyncio.gather(*(it.served_now(project, 2) for project in both))
            assert {one["code"] for one in said} == {"second"}
            await it.pool.registry.refresh()
            await until(lambda: len(it.running) == 1, "the process before has ended")
            said = await asyncio.gather(*(it.served_now(project, 2) for project in both))
            assert len({one["pid"] for one in said}) == 1
            loads = (it.script.parent / "keeper.py.loads").read_text().splitlines()
            assert sorted(line for line in loads if line.endswith(" 2")) == ["1 2", "3 2"]
            assert len(it.runners) == made + 1

    run(test())


def test_a_version_is_not_blamed_when_its_process_is_ended_for_another_one(tmp_path: Path) -> None:
    async def test() -> None:
        async with bench(tmp_path / "be", class_name="KeeperOfEvents", drain_first=True) as it:
            it.script.write_text(
                it.script.read_text().replace("    labels = ()\n", f"    labels = ()\n{WAITS}")
            )
            await it.pool.registry.reload()
            it.publish(ANIMALS, 1)
            await it.ask(ANIMALS)
            it.close_gate("gate")
            it.publish(MORE_ANIMALS, 9)
            waiting = asyncio.create_task(it.ask(MORE_ANIMALS))
            for number in (2, 3, 4):
                await until(lambda: it.reached("gate"), "the other project's version loads")
                (it.folder / "gate.reached").unlink()
                it.publish(ANIMALS, number)
                await it.served(ANIMALS, number)
            await until(lambda: it.reached("gate"), "it loads again")
            it.open_gate("gate")
            assert (await waiting)["version"] == "v9"
            assert it.pool.registry.failures(MORE_ANIMALS.uid) == {}

    run(test())
