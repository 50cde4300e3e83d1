"""Retries: how long the pauses are, and when the tries end."""

from collections.abc import Callable

import pytest

from label_studio_ml.storage.retries import pause_after, retry


def _fails(times: int, error: Exception) -> Callable[[], str]:
    left = [error] * times

    def call() -> str:
        if left:
            raise left.pop()
        return "done"

    return call


def _never(seconds: float) -> None:
    raise AssertionError("it is tried again")


def test_pauses_double_up_to_the_longest() -> None:
    assert [pause_after(n, first=0.5, longest=3.0) for n in range(5)] == [0.5, 0.5, 1.0, 2.0, 3.0]
    assert pause_after(100_000, first=0.5, longest=3.0) == 3.0


def test_a_call_is_repeated_until_it_succeeds() -> None:
    pauses: list[float] = []
    errors: list[str] = []
    result = retry(
        _fails(3, OSError("away")),
        on=OSError,
        seconds=60,
        first=1,
        longest=2,
        failed=lambda error: errors.append(str(error)),
        sleep=pauses.append,
    )
    assert (result, pauses, errors) == ("done", [1, 2, 2], ["away"] * 3)


def test_the_last_error_is_raised_when_the_time_is_over() -> None:
    with pytest.raises(OSError, match="away"):
        retry(_fails(1, OSError("away")), on=OSError, seconds=0, first=0.1, sleep=_never)


def test_the_last_error_is_raised_after_the_last_try() -> None:
    pauses: list[float] = []
    with pytest.raises(OSError, match="away"):
        retry(_fails(3, OSError("away")), on=(ValueError, OSError), tries=3, first=1, sleep=pauses.append)
    assert len(pauses) == 2


def test_an_error_may_ask_for_a_longer_pause_within_the_longest() -> None:
    pauses: list[float] = []
    asked = iter([0, 5, 60])
    retry(
        _fails(3, OSError("away")),
        on=OSError,
        first=1,
        longest=9,
        least=lambda _: next(asked),
        sleep=pauses.append,
    )
    assert pauses == [1, 5, 9]


@pytest.mark.parametrize("error", [ValueError("another type"), OSError("for good")])
def test_other_errors_are_raised_at_once(error: Exception) -> None:
    with pytest.raises(type(error), match=str(error)):
        retry(
            _fails(1, error),
            on=OSError,
            seconds=60,
            first=0.1,
            is_passing=lambda error: str(error) != "for good",
            sleep=_never,
        )


def test_before_each_try_the_caller_may_end_them() -> None:
    tries: list[str] = []

    def before() -> None:
        if len(tries) == 2:
            raise InterruptedError
        tries.append("try")

    with pytest.raises(InterruptedError):
        retry(
            _fails(9, ConnectionError("away")),
            on=ConnectionError,
            seconds=60,
            first=0.1,
            before=before,
            sleep=lambda _: None,
        )
    assert len(tries) == 2
