"""What calls of `predict` leave is a finding only if each of them leaves something."""

import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TextIO

import pytest

from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.test_kit.child.effects import leak_checks
from label_studio_ml.test_kit.child.effects.leak_checks import LeakChecks

Leave = Callable[[int], None]

CONFIG = """<View><Text name="text" value="$text"/><Choices name="label" toName="text"><Choice value="a"/></Choices>
</View>"""


class Leaving(LabelStudioMLBase):
    """Calls `leave` with the number of the call."""

    calls = 0
    leave: Leave

    def predict(self, tasks: Any, context: Any = None, **kwargs: Any) -> Any:
        self.calls += 1
        self.leave(self.calls)
        return [{"result": []} for _ in tasks]


def checks_of(leave: Leave) -> LeakChecks:
    model = Leaving(label_config=CONFIG)
    model.leave = leave
    tested: Any = SimpleNamespace(
        model=model,
        effects=SimpleNamespace(watching=nullcontext, written=[]),
        code=SimpleNamespace(code_of=lambda target: None),
        failure=lambda check, message, **details: f"{check}: {details['field']}",
    )
    first: Any = SimpleNamespace(tasks=[{"id": 1, "data": {"text": "a"}}])
    return LeakChecks(tested, first)


def texts(found: Iterator[Any]) -> list[Any]:
    return list(found)


@pytest.fixture
def opened() -> Iterator[list[TextIO]]:
    files: list[TextIO] = []
    yield files
    for file in files:
        file.close()


@pytest.mark.parametrize("at", [2, 3, 5])
def test_files_that_a_library_opens_once_are_no_finding(
    at: int, opened: list[TextIO], tmp_path: Path
) -> None:
    def leave(number: int) -> None:
        if number == at:
            opened.extend((tmp_path / f"{name}.db").open("w") for name in range(8))

    assert list(checks_of(leave).open_files()) == []


def test_a_file_that_takes_the_place_of_another_is_no_finding(opened: list[TextIO], tmp_path: Path) -> None:
    def leave(number: int) -> None:
        opened.append((tmp_path / str(number)).open("w"))
        if number > 1:
            opened[-2].close()

    assert list(checks_of(leave).open_files()) == []


def test_a_file_that_each_call_leaves_open_is_named(opened: list[TextIO], tmp_path: Path) -> None:
    def leave(number: int) -> None:
        names = ["kept"] * 2 + [f"{name}.db" for name in range(8)] * (number == 2)
        opened.extend((tmp_path / name).open("w") for name in reversed(names))

    assert texts(checks_of(leave).open_files()) == [f"open-files: {tmp_path / 'kept'}"]


@pytest.fixture
def waiting() -> Iterator[Callable[[], None]]:
    """Return a function that starts a thread, which runs until the test ends."""
    end = threading.Event()
    threads: list[threading.Thread] = []

    def start() -> None:
        threads.append(threading.Thread(target=end.wait, name="waiting"))
        threads[-1].start()

    yield start
    end.set()
    for thread in threads:
        thread.join()


def test_threads_that_a_library_starts_once_are_no_finding(waiting: Callable[[], None]) -> None:
    def leave(number: int) -> None:
        for _ in range(8 if number == 3 else 0):
            waiting()

    assert list(checks_of(leave).threads()) == []


def test_a_thread_that_each_call_leaves_is_found(waiting: Callable[[], None]) -> None:
    assert texts(checks_of(lambda number: waiting()).threads()) == ["threads: waiting"]


@pytest.mark.parametrize(
    ("sizes", "found"),
    [
        ([100.0, 110.0, 120.0, 130.0], ["memory: memory"]),
        ([100.0, 130.0, 130.0, 130.0], []),  # it grows once, as a cache does
        ([100.0, 101.0, 102.0, 103.0], []),
    ],
)
def test_memory_is_a_finding_if_it_grows_in_each_round(
    sizes: list[float], found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = iter(sizes)
    monkeypatch.setattr(leak_checks, "_resident", lambda: next(measured))
    assert texts(checks_of(lambda number: None).memory()) == found


def test_the_memory_of_this_process_is_known() -> None:
    assert 1 < leak_checks._resident() < 1 << 20
