"""The metric gate: which new versions are let through to be served.

    accuracy >= current
    f1 > current - 0.01 and loss <= current * 1.1
    accuracy >= 0.8

`current` is the same metric of the version that is served at that moment.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

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

    def refusal(self, new: Metrics, current: Metrics) -> str:
        """Say why a version with the metrics `new` is held back; nothing if this clause lets it through."""
        value = new.get(self.metric)
        if value is None or not math.isfinite(value):
            return f"the new version has no {self.metric} that is a number"
        if self.number is not None:
            bound = self.number
            against = ""
        else:
            served = current.get(self.metric)
            if served is None or not math.isfinite(served):
                return ""
            bound = _STEPS[self.step](served, self.by) if self.step else served
            against = f" (the served version has {served:g})"
        if _SIGNS[self.sign](value, bound):
            return ""
        return f"{self.metric} is {value:g}, not {self.sign} {bound:g}{against}"


@dataclass(frozen=True, slots=True)
class Gate:
    """What a new version must fulfil to be served: all clauses. Without any, every version is let through."""

    clauses: tuple[Clause, ...] = ()

    def refusal(self, new: Metrics, current: Metrics) -> str:
        """Say why a version is held back; nothing if it is let through.

        `new` are its metrics, `current` those of the served version (empty if there is none). A metric that the new
        version lacks holds it back; one that the served version lacks does not.
        """
        return "; ".join(cause for clause in self.clauses if (cause := clause.refusal(new, current)))


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
