"""Calls in several threads overlap for certain."""

import sys
import threading
from types import SimpleNamespace
from typing import Any, cast

from label_studio_ml.test_kit.child.requests.overlapping_calls import overlapping_calls
from label_studio_ml.test_kit.child.side_effects import SideEffects
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


def test_calls_overlap_between_two_lines() -> None:
    model, code = SharesState(), cast("UserCode", Owning())
    tested = cast("TestedClass", SimpleNamespace(model=model, code=code, effects=SideEffects(code)))
    interval = sys.getswitchinterval()
    wrong = 0
    asked = set()
    for number, answer in overlapping_calls(tested, TASKS, 2):
        assert answer.error is None, answer.error
        asked.add(number)
        wrong += answer.raw[0]["result"][0]["value"]["text"] != [str(number)]
    assert 2 in model.together
    assert wrong
    assert asked == {0, 1, 2}
    assert sys.getswitchinterval() == interval
