"""What a benchmark hands back."""

from dataclasses import dataclass, field


@dataclass
class Target:
    """One figure that must be reached: `text` says which, `value` is what was measured (already rounded)."""

    text: str
    value: str
    reached: bool


@dataclass
class Table:
    """Rows of text below a heading line."""

    columns: list[str]
    rows: list[list[str]] = field(default_factory=list)


@dataclass
class Result:
    """One benchmark's outcome. `figures` are the raw numbers, for results.json and the plot."""

    key: str
    title: str
    how: str
    targets: list[Target] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    figures: dict[str, object] = field(default_factory=dict)


def at_least(text: str, value: float, bound: float) -> Target:
    """A ratio that must not be smaller than `bound`."""
    return Target(f"{text} ≥ {bound:g}", f"{value:.2f}", value >= bound)


def at_most(text: str, value: float, bound: float, unit: str = "") -> Target:
    """A figure that must not be larger than `bound`."""
    shown = f"{value:.2f}" if value < 10 else f"{value:.0f}"
    return Target(f"{text} ≤ {bound:g}{unit}", f"{shown}{unit}", value <= bound)


def ms(seconds: float) -> str:
    """Seconds as milliseconds, with as many digits as mean something."""
    value = seconds * 1e3
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"
