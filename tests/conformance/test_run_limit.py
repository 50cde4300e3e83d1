"""The time limit of a whole run: what it leaves time for is checked, and the rest is said to be skipped for it."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from label_studio_ml.conformance.answer import Answer
from label_studio_ml.conformance.conform import CHECKS
from label_studio_ml.conformance.outcome import exit_code
from label_studio_ml.conformance.studio_calls import Limits, StudioCalls
from label_studio_ml.conformance.transport.run_limit import OutOfTime, TimeLimit, default_seconds
from label_studio_ml.conformance.trial import Trial
from studio.fake import Asked, Reply

from .fake_backend import Answering, FakeBackend
from .trials import outcomes_of, trial_of


class Clock:
    """A clock that stands still but for `now`."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def backend() -> Iterator[FakeBackend]:
    with FakeBackend() as fake:
        yield fake


def limited_trial(backend: FakeBackend, time_limit: TimeLimit) -> Trial:
    trial = trial_of(backend.url)
    trial.calls = replace(trial.calls, time_limit=time_limit)
    return trial


def after(seconds: float, clock: Clock, answering: Answering) -> Answering:
    """Return an answer that takes `seconds` by the clock."""

    def answer(fake: FakeBackend, asked: Asked) -> Reply:
        clock.now += seconds
        return answering(fake, asked)

    return answer


def test_checks_are_skipped_once_the_time_is_over(backend: FakeBackend, clock: Clock) -> None:
    backend.answers["/predict"] = after(100, clock, FakeBackend.predict)
    outcomes = outcomes_of(limited_trial(backend, TimeLimit(240, clock)))
    assert list(outcomes) == [*CHECKS, "time"]
    assert [name for name, outcome in outcomes.items() if outcome.status == "ok"] == [
        *("health", "setup", "extra-params", "versions", "one-task", "all-tasks", "order", "address")
    ]
    late = {name: outcome for name, outcome in outcomes.items() if "--time-limit" in outcome.summary}
    assert list(late) == [
        *("click", "two-projects", "broken-task", "large-request", "busy", "bad-input"),
        *("events", "annotation-events", "training"),
    ]
    assert {outcome.status for outcome in late.values()} == {"skip"}
    assert late["click"].summary == "not made: the 240 s of --time-limit are over"
    assert outcomes["login"].summary == "no login is given"
    (finding,) = outcomes["time"].findings
    assert f"9 checks not finished or not made within 240 s ({', '.join(late)})" in finding.received
    assert "in 3 calls" in finding.received
    assert exit_code(list(outcomes.values())) == 1


def test_without_lack_of_time_there_is_no_word_of_it(backend: FakeBackend, clock: Clock) -> None:
    assert list(outcomes_of(limited_trial(backend, TimeLimit(240, clock)))) == list(CHECKS)


def test_a_run_whose_first_calls_take_all_of_the_time(backend: FakeBackend, clock: Clock) -> None:
    backend.answers["/health"] = after(300, clock, FakeBackend.health)
    outcomes = outcomes_of(limited_trial(backend, TimeLimit(240, clock)), ["health", "setup", "order"])
    assert [(name, outcome.status) for name, outcome in outcomes.items()] == [
        ("health", "skip"),
        ("setup", "skip"),
        ("order", "skip"),
        ("time", "fail"),
    ]
    assert outcomes["order"].summary == "not made: the 240 s of --time-limit are over"
    assert "/setup" not in [asked.path for asked in backend.asked]


def test_a_prediction_that_uses_up_the_time_leaves_busy_without_a_result(
    backend: FakeBackend, clock: Clock
) -> None:
    def predict(fake: FakeBackend, asked: Asked) -> Reply:
        fake.asked_meanwhile.wait(30)
        clock.now += 300
        return FakeBackend.predict(fake, asked)

    def health(fake: FakeBackend, asked: Asked) -> Reply:
        if any(earlier.path == "/predict" for earlier in fake.asked):
            fake.asked_meanwhile.set()
        return FakeBackend.health(fake, asked)

    backend.answers |= {"/predict": predict, "/health": health}
    outcomes = outcomes_of(limited_trial(backend, TimeLimit(240, clock)), ["busy"])
    assert outcomes["busy"].status == "skip"


def test_a_call_is_given_up_when_the_time_is_over(backend: FakeBackend) -> None:
    def hanging(fake: FakeBackend, asked: Asked) -> Reply:
        fake.hang()
        return Reply.of({})

    backend.answers["/predict"] = hanging
    times = itertools.chain([0.0, 0.0], itertools.repeat(1.0))  # the beginning, before the call, after it
    calls = StudioCalls(
        backend.url, limits=Limits(predict=30), time_limit=TimeLimit(0.1, lambda: next(times))
    )
    with pytest.raises(
        OutOfTime, match=r"^not finished: the 0\.1 s of --time-limit were over when POST /predict"
    ):
        calls.post("/predict", {}, 30)
    assert list(calls.time_limit.took) == ["POST /predict"]


def test_calls_with_another_login_have_the_same_time_limit(backend: FakeBackend, clock: Clock) -> None:
    calls = StudioCalls(backend.url, time_limit=TimeLimit(1, clock)).with_login(("me", "wrong"))
    clock.now = 2
    with pytest.raises(OutOfTime):
        calls.get("/health", 30)


@pytest.mark.parametrize(
    ("path", "check"),
    [("/versions", "versions"), ("/setup", "setup"), ("/predict", "one-task"), ("/predict", "all-tasks")],
)
def test_a_whole_answer_after_its_limit_is_late(
    backend: FakeBackend, monkeypatch: pytest.MonkeyPatch, path: str, check: str
) -> None:
    """Label Studio's limits do not end an answer whose bytes come one by one."""
    trial = trial_of(backend.url)
    assert outcomes_of(trial, [check])[check].status == "ok"

    def slow(calls: StudioCalls, *arguments: Any) -> Answer:
        answer = send(calls, *arguments)
        return replace(answer, seconds=31) if answer.call.endswith(path) else answer

    send = StudioCalls._answer
    monkeypatch.setattr(StudioCalls, "_answer", slow)
    (finding,) = outcomes_of(trial_of(backend.url), [check])[check].findings
    assert "200 OK after 31.00 s" in finding.received
    assert finding.expected == "the whole answer within 30 s"
    assert finding.severity == "warn"


@pytest.mark.parametrize(("predict", "seconds"), [(5, 240), (100, 240), (300, 600)])
def test_the_default_leaves_time_for_two_predictions(predict: float, seconds: float) -> None:
    assert default_seconds(predict) == seconds
