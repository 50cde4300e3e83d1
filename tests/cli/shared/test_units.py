"""Times, sizes and metrics as commands print them."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from label_studio_ml.cli.shared.units import duration, metrics_text, moment, size


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
def test_a_time_is_that_of_this_machine() -> None:
    assert moment("2026-11-23T14:15:30.123+00:00") == "2026-11-23 15:15:30"
    assert moment(datetime(2026, 7, 1, 12, tzinfo=UTC)) == "2026-07-01 14:00:00"
    assert [moment(text) for text in ("", "yesterday")] == ["", "yesterday"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00:00"), (3723.9, "1:02:03"), (360_000, "100:00:00"), (-1, "0:00:00")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (4_100_000, "4.1 MB"), (5 * 10**15, "5000.0 TB")]
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


def test_metrics() -> None:
    assert (
        metrics_text({"accuracy": 0.91234, "epochs": 3, "loss": None}) == "accuracy 0.9123 epochs 3 loss nan"
    )
    assert metrics_text({}) == ""
