"""Which call of user code runs longest, and for how long: the time between calls is not counted."""

from typing import Any

import pytest

from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.test_kit.calls import announced_calls
from label_studio_ml.test_kit.calls.running_calls import RunningCalls, within
from label_studio_ml.test_kit.child.predict_calls import ask
from label_studio_ml.test_kit.child_plan import Call, CallKind, Event
from label_studio_ml.test_kit.child_runner import Limits


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def begins(number: int, kind: CallKind = CallKind.PREDICT) -> Event:
    return Event(call=Call(number=number, kind=kind))


def test_time_between_calls_does_not_count() -> None:
    clock = Clock()
    calls = RunningCalls(clock)
    for number in (1, 2, 3):
        clock.now += 50
        calls.take(begins(number))
        assert calls.longest() == (Call(number=number, kind=CallKind.PREDICT), 0)
        clock.now += 2
        calls.take(Event(returned=number))
    clock.now += 3
    assert calls.longest() == (None, 3)


def test_of_several_calls_the_first_counts() -> None:
    clock = Clock()
    calls = RunningCalls(clock)
    calls.take(begins(1))
    clock.now += 5
    calls.take(begins(2))
    clock.now += 1
    assert calls.longest() == (Call(number=1, kind=CallKind.PREDICT), 6)
    calls.take(Event(returned=1))
    assert calls.longest() == (Call(number=2, kind=CallKind.PREDICT), 1)


def test_the_time_of_a_cancelled_training_begins_with_the_cancellation() -> None:
    clock = Clock()
    calls = RunningCalls(clock)
    calls.take(begins(1, CallKind.FIT))
    clock.now += 400
    calls.take(begins(1, CallKind.CANCELLED_FIT))
    clock.now += 2
    assert calls.longest() == (Call(number=1, kind=CallKind.CANCELLED_FIT), 2)


def test_a_call_names_its_tasks() -> None:
    def words(*tasks: str) -> str:
        return within(Call(number=1, kind=CallKind.PREDICT, tasks=list(tasks)))

    assert within(None) == ""
    assert words() == " in predict"
    assert words("7") == " in predict for task 7"
    assert words("7", "8") == " in predict for a batch of 2 tasks (7, 8)"
    assert words(*map(str, range(13))).endswith("10, 11, …)")


@pytest.mark.parametrize(
    ("size", "count", "seconds"), [(128, 6, 60), (6, 6, 60), (4, 6, 120), (1, 6, 360), (1, 0, 60)]
)
def test_each_part_of_a_batch_that_the_server_would_divide_has_the_time_of_a_call(
    size: int, count: int, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dividing(LabelStudioMLBase):
        max_batch_size = size

        def predict(self, tasks: Any, context: Any = None, **kwargs: Any) -> Any:
            return [{"result": []} for _ in tasks]

    events: list[Event] = []
    monkeypatch.setattr(announced_calls, "_senders", [events.append])
    ask(Dividing(label_config="<View/>"), [{"id": number, "data": {}} for number in range(count)])
    (call,) = [event.call for event in events if event.call is not None]
    assert Limits(timeout=60).seconds(call) == seconds
