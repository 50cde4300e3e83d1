"""What a conformance check found, and what Label Studio's users would see of it."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding matters.

    `FAIL`: users of Label Studio lose something, such as predictions, events or the connection. `WARN`: they lose it in
    some cases, or whoever runs the backend cannot see what is wrong.
    """

    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference between what a backend answers and what Label Studio needs.

    `call` is the method and path. `received` is what the backend did, `expected` what it should do, `effect` what Label
    Studio does then, `fix` what to change. All are phrases or sentences without a full stop.
    """

    severity: Severity
    call: str
    received: str
    expected: str
    effect: str
    fix: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of the check `name`, which `conform` fills in.

    `summary` says what was seen, in terms of Label Studio's users where possible; with findings, it does not count. A
    check that was not made has `skipped`, and the reason in `summary`.
    """

    summary: str = ""
    findings: tuple[Finding, ...] = ()
    skipped: bool = False
    name: str = ""

    @property
    def status(self) -> str:
        """`ok`, `warn`, `fail` or `skip`: that of the worst finding, if there is one."""
        if self.skipped:
            return "skip"
        if not self.findings:
            return "ok"
        return Severity.FAIL if any(map(is_failure, self.findings)) else Severity.WARN


def is_failure(finding: Finding) -> bool:
    """Tell whether a finding is more than a warning."""
    return finding.severity is Severity.FAIL


def skipped(reason: str) -> Outcome:
    """Return the outcome of a check that was not made."""
    return Outcome(reason, skipped=True)


def with_findings(*findings: Finding) -> Outcome:
    """Return the outcome of a check with these findings."""
    return Outcome(findings=findings)


def exit_code(outcomes: list[Outcome]) -> int:
    """Return 1 if a check failed, else 0."""
    return int(any(outcome.status == Severity.FAIL for outcome in outcomes))
