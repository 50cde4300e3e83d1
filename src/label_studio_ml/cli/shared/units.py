"""Times, sizes and metrics as commands print them."""

from collections.abc import Mapping
from datetime import datetime


def moment(time: str | datetime) -> str:
    """Return a time in the time zone of this machine, as `2026-11-23 14:15:30`; text that is no time is unchanged."""
    try:
        parsed = datetime.fromisoformat(time) if isinstance(time, str) else time
    except ValueError:
        return str(time)
    return f"{parsed.astimezone():%Y-%m-%d %H:%M:%S}"


def duration(seconds: float) -> str:
    """Return a duration as `1:02:03`."""
    whole_seconds = max(0, int(seconds))
    return f"{whole_seconds // 3600}:{whole_seconds // 60 % 60:02}:{whole_seconds % 60:02}"


def size(count: int) -> str:
    """Return a number of bytes in a suitable unit, such as `4.1 MB`; a kB is 1,000 bytes."""
    amount, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"


def metrics_text(metrics: Mapping[str, object]) -> str:
    """Return metrics in one line, such as `loss 0.123 accuracy 0.9`; None is written as `nan`."""
    return " ".join(f"{name} {_metric(value)}" for name, value in metrics.items())


def _metric(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "nan" if value is None else str(value)
