"""Calls in several threads overlap for certain."""

import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from label_studio_ml.test_kit.child.effects.side_effects import SideEffects
from label_studio_ml.test_kit.child.predict_calls import Answer
from label_studio_ml.test_kit.child.requests import overlapping_calls as overlapping_calls_module
from label_studio_ml.test_kit.child.requests.overlapping_calls import overlapping_calls
from label_studio_ml.test_kit.child.tested_class import TestedClass
from label_studio_ml.test_kit.code_places import UserCode

TASKS = [{"id": number, "data": {"text": str(number)}} for number in range(3)]


class Owning:
    """Code of which this file is the user's."""

    def owns(self, file: str) -> bool:
        return file == __file__


class SharesState:
    """Keeps the task of a call in the model for the time of one line."""

    def __init__(self) -> None:
        self.together: set[int] = set()
        self.running: set[int] = set()

    def predict(self, tasks: list[dict[str, Any]], **kwargs: Any) -> list[dict[str, Any]]:
        self.running.add(threading.get_ident())
        self.task = tasks[0]
        self.together.add(len(self.running))
        region = {"value": {"text": [self.task["data"]["text"]]}}
        self.running.discard(threading.get_ident())
        return [{"result": [region]}]


class Locks(SharesState):
    """Runs one call at a time by a lock of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()

    def predict(self, tasks: list[dict[str, Any]], **kwargs: Any) -> list[dict[str, Any]]:
        with self.lock:
            return super().predict(tasks, **kwargs)


def calls_of(model: SharesState) -> Iterator[tuple[int, Answer]]:
    code = cast("UserCode", Owning())
    tested = cast("TestedClass", SimpleNamespace(model=model, code=code, effects=SideEffects(code)))
    return overlapping_calls(tested, TASKS, 2)


def is_wrong(number: int, answer: Answer) -> bool:
    assert answer.error is None, answer.error
    return bool(answer.raw[0]["result"][0]["value"]["text"] != [str(number)])


def test_calls_overlap_between_two_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlapping_calls_module, "_LINE", 250.0)  # no thread waits for a lock
    interval, model = sys.getswitchinterval(), SharesState()
    calls = list(calls_of(model))
    assert any(is_wrong(*call) for call in calls[:2]), "in the first round"
    assert 2 in model.together
    assert {number for number, _ in calls} <= {0, 1, 2}
    assert sys.getswitchinterval() == interval


def test_calls_that_wait_for_a_lock_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlapping_calls_module, "_LINE", 0.05)
    model = Locks()
    assert not any(is_wrong(*call) for call in calls_of(model))
    assert model.together == {1}


def test_side_effects_are_recorded_until_the_last_of_overlapping_calls_ends() -> None:
    effects = SideEffects(cast("UserCode", Owning()))
    first, second = effects.watching(), effects.watching()
    recorded = []

    def looks() -> bool:
        effects.read.clear()
        effects._hook("open", (__file__, "r", 0))
        return bool(effects.read)

    first.__enter__()
    second.__enter__()
    recorded.append(looks())
    first.__exit__(None, None, None)
    recorded.append(looks())
    second.__exit__(None, None, None)
    recorded.append(looks())
    assert recorded == [True, True, False]
