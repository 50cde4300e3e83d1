"""The metric gate: which new versions are let through to be served.

    accuracy >= current
    f1 > current - 0.01 and loss <= current * 1.1
    accuracy >= 0.8

`current` is the same metric of the version that is served at that moment: on the same tasks, where that is known.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_AND = re.compile(r"\s+and\s+")
_CLAUSE = re.compile(r"(?P<metric>[^<>=!]+)(?P<sign>>=|<=|>|<)(?P<value>[^<>=!]+)")
_VALUE = re.compile(
    rf"current(?:\s*(?P<step>[-+*])\s*(?P<by>{_NUMBER}))?|(?P<number>{_NUMBER})", re.IGNORECASE
)

_SIGNS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}
_STEPS: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}

Metrics = Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A new version and the one before it on the same tasks.

    `version` is the name of the one before. `new` and `previous` are the metrics of the two that were measured on the
    same tasks; `tasks` says how many these were, 0 where `fit` measured them itself. `unfair` says in one line why
    the other numbers of the two cannot be compared; empty where they can, or where nobody knows.
    """

    version: str
    tasks: int = 0
    new: dict[str, float | None] = field(default_factory=dict)
    previous: dict[str, float | None] = field(default_factory=dict)
    unfair: str = ""

    def pair(self, metric: str) -> tuple[float, float] | None:
        """Return a metric of the new version and of the one before, None where one of them is not known."""
        new, previous = self.new.get(metric), self.previous.get(metric)
        if new is None or previous is None or not (math.isfinite(new) and math.isfinite(previous)):
            return None
        return new, previous

    def text(self) -> str:
        """Say in one line what was compared, and what could not be."""
        pairs = {name: pair for name in self.new if (pair := self.pair(name)) is not None}
        lines = []
        if pairs:
            where = (
                f"on the same {self.tasks} task{'' if self.tasks == 1 else 's'}" if self.tasks else "in fit"
            )
            numbers = ", ".join(f"{name} {new:g} (before: {old:g})" for name, (new, old) in pairs.items())
            lines.append(f"measured against version {self.version} {where}: {numbers}")
        if self.unfair:
            lines.append(f"not compared with version {self.version}: {self.unfair}")
        return "; ".join(lines)


@dataclass(frozen=True, slots=True)
class Clause:
    """One comparison: the metric's name, the sign, and what it is compared with.

    `number` is None where the comparison is with the served version's metric; `step` and `by` then say what is done
    to that first (`*`, `+` or `-`).
    """

    metric: str
    sign: str
    number: float | None = None
    step: str = ""
    by: float = 0.0

    def refusal(self, new: Metrics, current: Metrics, comparison: Comparison | None = None) -> str:
        """Say why a version with the metrics `new` is held back; nothing if this clause lets it through."""
        value = new.get(self.metric)
        same = comparison.pair(self.metric) if comparison is not None and self.number is None else None
        if comparison is not None and same is not None:
            value, served = same
            on = f" on the same {comparison.tasks} task{'' if comparison.tasks == 1 else 's'}"
            against = f" (version {comparison.version} has {served:g}{on if comparison.tasks else ''})"
            return self._compare(value, self._bound(served), against)
        if value is None or not math.isfinite(value):
            return f"the new version has no {self.metric} that is a number"
        if self.number is not None:
            return self._compare(value, self.number, "")
        served_value = current.get(self.metric)
        if served_value is None or not math.isfinite(served_value):
            return ""
        if comparison is not None and comparison.unfair:
            return ""
        return self._compare(value, self._bound(served_value), f" (the served version has {served_value:g})")

    def _bound(self, served: float) -> float:
        return _STEPS[self.step](served, self.by) if self.step else served

    def _compare(self, value: float, bound: float, against: str) -> str:
        if _SIGNS[self.sign](value, bound):
            return ""
        return f"{self.metric} is {value:g}, not {self.sign} {bound:g}{against}"


@dataclass(frozen=True, slots=True)
class Gate:
    """What a new version must fulfil to be served: all clauses. Without any, every version is let through."""

    clauses: tuple[Clause, ...] = ()

    @property
    def compared(self) -> list[str]:
        """The metrics that are compared with those of the served version."""
        return list(dict.fromkeys(clause.metric for clause in self.clauses if clause.number is None))

    def refusal(self, new: Metrics, current: Metrics, comparison: Comparison | None = None) -> str:
        """Say why a version is held back; nothing if it is let through.

        `new` are its metrics, `current` those of the served version (empty if there is none), as their fits gave them.
        `comparison` has those of the two on the same tasks: they win. Where it says that the others cannot be compared,
        the version is let through, as it is where the served version has no such metric. A metric that the new version
        lacks holds it back.
        """
        causes = (clause.refusal(new, current, comparison) for clause in self.clauses)
        return "; ".join(cause for cause in causes if cause)


def parse_gate(text: str) -> Gate:
    """Read a gate: comparisons joined by `and`; nothing for empty text. Raises ValueError that says what is wrong."""
    if not text.strip():
        return Gate()
    return Gate(tuple(_clause(part.strip()) for part in _AND.split(text.strip())))


def _clause(text: str) -> Clause:
    found = _CLAUSE.fullmatch(text)
    metric = found["metric"].strip() if found else ""
    if found is None or not metric:
        raise ValueError(f"{text!r} is no comparison like accuracy >= current")
    value = _VALUE.fullmatch(found["value"].strip())
    if value is None:
        raise ValueError(
            f"{found['value'].strip()!r} is neither a number nor current, current * 0.99 or current - 0.01"
        )
    if value["number"] is not None:
        return Clause(metric, found["sign"], number=float(value["number"]))
    return Clause(metric, found["sign"], step=value["step"] or "", by=float(value["by"] or 0))
