"""What is wrong with a region of a prediction, and how it can be repaired."""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

#: Changes a copy of a region such that Label Studio shows it; returns None if nothing of it can be shown.
Repair: TypeAlias = Callable[[dict[str, Any]], dict[str, Any] | None]


#: The most findings that a message lists.
LISTED = 10


class Severity(enum.Enum):
    """What Label Studio does with the region."""

    #: It does not show the region, loses others with it, or its page fails.
    FAULT = "fault"
    #: It shows the region at another place or in part, or an annotator cannot submit it unchanged.
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem of one region, as the checks of its value report it.

    `text` says what is wrong without numbers that differ from region to region, because problems are counted by it;
    `detail` has these. `field` is the field of the region's value, empty if it is none of them. `fix` says what to do
    in `predict`. Without `repair`, a region with a fault can only be left out.
    """

    text: str
    field: str = ""
    fix: str = ""
    detail: str = ""
    severity: Severity = Severity.FAULT
    repair: Repair | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem with the region at the index `region` of a prediction's `result`, whose control is `from_name`.

    The index is -1 for a problem of the prediction itself.
    """

    region: int
    from_name: str
    problem: Problem

    @property
    def is_fault(self) -> bool:
        """Whether Label Studio does not show the region, or loses others with it."""
        return self.problem.severity is Severity.FAULT

    @property
    def field(self) -> str:
        """The field of the region's value that is wrong; empty if it is none of them."""
        return self.problem.field

    @property
    def fault(self) -> str:
        """What is wrong."""
        return self.problem.text

    @property
    def fix(self) -> str:
        """What to do in `predict`; empty if `fault` says all."""
        return self.problem.fix

    def __str__(self) -> str:
        """Return the finding as one line: `region 2 of 'box': the label 'Cat' is not in the label config (…)`."""
        if self.region < 0:
            return self.problem.detail or self.problem.text
        detail = f" ({self.problem.detail})" if self.problem.detail else ""
        return f"region {self.region}{self._of}: {self.problem.text}{detail}"

    @property
    def kind(self) -> str:
        """The finding without position and numbers, by which findings are counted, and logged once each."""
        return self.problem.text if self.region < 0 else f"regions{self._of}: {self.problem.text}"

    @property
    def _of(self) -> str:
        return f" of {self.from_name!r}" if self.from_name else ""


def described(finding: Finding) -> str:
    """Return a finding with what to do about it."""
    return f"{finding} ({finding.fix})" if finding.fix else str(finding)


def listed(findings: Sequence[Finding], *, with_fixes: bool = True) -> str:
    """Return findings in one line, the first ten of them."""
    texts = [described(finding) if with_fixes else str(finding) for finding in findings[:LISTED]]
    if len(findings) > LISTED:
        texts.append(f"and {len(findings) - LISTED} more")
    return "; ".join(texts)
