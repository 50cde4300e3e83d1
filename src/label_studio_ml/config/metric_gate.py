"""The metric gate (`promote_if`): a condition on the metrics of a new version for serving it. Examples:

    accuracy >= current
    f1 > current - 0.01 and loss <= current * 1.1
    accuracy >= 0.8

`current` is the same metric of the served version, measured on the same tasks if such a measurement exists.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from label_studio_ml.support.texts import plural

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
    """A comparison of a new version with the previous one on the same tasks.

    `version` is the previous version's name. `new` and `previous` are the metrics of both versions on the same tasks;
    `tasks` is the number of these tasks, 0 if `fit` did the measuring. `unfair` says in one line why all other metrics
    of the two versions cannot be compared; empty if they can be, or if that is unknown.
    """

    version: str
    tasks: int = 0
    new: dict[str, float | None] = field(default_factory=dict)
    previous: dict[str, float | None] = field(default_factory=dict)
    unfair: str = ""

    def pair(self, metric: str) -> tuple[float, float] | None:
        """Return a metric as (new, previous), None if one of them is missing or not finite."""
        new, previous = self.new.get(metric), self.previous.get(metric)
        if new is None or previous is None or not (math.isfinite(new) and math.isfinite(previous)):
            return None
        return new, previous

    def text(self) -> str:
        """Return a one-line summary of what was compared, and of what could not be."""
        pairs = {name: pair for name in self.new if (pair := self.pair(name)) is not None}
        lines = []
        if pairs:
            where = f"on the same {plural(self.tasks, 'task')}" if self.tasks else "in fit"
            numbers = ", ".join(f"{name} {new:g} (before: {old:g})" for name, (new, old) in pairs.items())
            lines.append(f"measured against version {self.version} {where}: {numbers}")
        if self.unfair:
            lines.append(f"not compared with version {self.version}: {self.unfair}")
        return "; ".join(lines)


@dataclass(frozen=True, slots=True)
class Clause:
    """One comparison of a metric: name, sign, and the value to compare with.

    If `number` is None, the value is the served version's metric after the operation `step` (`*`, `+` or `-`, empty
    for none) with the operand `by`.
    """

    metric: str
    sign: str
    number: float | None = None
    step: str = ""
    by: float = 0.0

    def refusal(self, new: Metrics, current: Metrics, comparison: Comparison | None = None) -> str:
        """Return why this clause refuses a version with the metrics `new`; empty if it accepts the version."""
        value = new.get(self.metric)
        measured = comparison.pair(self.metric) if comparison is not None and self.number is None else None
        if comparison is not None and measured is not None:
            value, served = measured
            tasks_text = f" on the same {plural(comparison.tasks, 'task')}"
            against = (
                f" (version {comparison.version} has {served:g}{tasks_text if comparison.tasks else ''})"
            )
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
    """The condition for serving a new version: all clauses must accept it. Without clauses, all versions pass."""

    clauses: tuple[Clause, ...] = ()

    @property
    def compared(self) -> list[str]:
        """The names of the metrics that are compared with those of the served version."""
        return list(dict.fromkeys(clause.metric for clause in self.clauses if clause.number is None))

    def refusal(self, new: Metrics, current: Metrics, comparison: Comparison | None = None) -> str:
        """Return why a version is refused; empty if it passes.

        `new` are the version's metrics and `current` those of the served version (empty if there is none), as `fit`
        returned them. Metrics in `comparison`, measured on the same tasks, take precedence. A clause with `current`
        passes if the served version lacks the metric, or if `comparison` says that the metrics cannot be compared.
        Every clause refuses a new version that lacks the metric.
        """
        causes = (clause.refusal(new, current, comparison) for clause in self.clauses)
        return "; ".join(cause for cause in causes if cause)


def parse_gate(text: str) -> Gate:
    """Parse a gate: clauses joined by `and`, none for empty text. Raises ValueError that says what is wrong."""
    if not text.strip():
        return Gate()
    return Gate(tuple(_clause(part.strip()) for part in _AND.split(text.strip())))


def _clause(text: str) -> Clause:
    parts = _CLAUSE.fullmatch(text)
    metric = parts["metric"].strip() if parts else ""
    if parts is None or not metric:
        raise ValueError(f"{text!r} is no comparison like accuracy >= current")
    value = _VALUE.fullmatch(parts["value"].strip())
    if value is None:
        raise ValueError(
            f"{parts['value'].strip()!r} is neither a number nor current, current * 0.99 or current - 0.01"
        )
    if value["number"] is not None:
        return Clause(metric, parts["sign"], number=float(value["number"]))
    return Clause(metric, parts["sign"], step=value["step"] or "", by=float(value["by"] or 0))
