"""The report of a test of a model class: outcomes of checks, and failures with field, task, fix and line."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from label_studio_ml.support.texts import plural

#: The most label configs that are named with a failure.
_MOST_NAMES = 5


class Status(StrEnum):
    """The outcome of a check."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong with the class.

    `field` is what is concerned: a field of the task's data or of a region, a path in the output, a file. `task` is
    what identifies the task, empty if it is none. `file` and `line` are in the user's folder; 0 if unknown.
    """

    check: str
    message: str
    field: str = ""
    task: str = ""
    fix: str = ""
    file: str = ""
    line: int = 0

    @property
    def place(self) -> str:
        """File and line as `model.py:12`; empty if unknown."""
        return f"{self.file}:{self.line}" if self.file and self.line else self.file


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one check with one label config. `reason` says why it was skipped."""

    check: str
    claim: str
    status: Status
    label_config: str = ""
    reason: str = ""
    seconds: float = 0.0
    failures: list[Failure] = []


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured with one label config; None where it was not.

    Seconds are of the wall clock; `memory` is the resident memory of the model's process, in MiB.
    """

    label_config: str = ""
    import_seconds: float | None = None
    build_seconds: float | None = None
    seconds_per_task: float | None = None
    memory: float | None = None
    fit_seconds: float | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The report on one model class. `notes` are lines about how it was tested."""

    model: str
    outcomes: list[Outcome] = []
    figures: list[Figures] = []
    notes: list[str] = []

    @property
    def failures(self) -> list[Failure]:
        """All failures, in the order of the checks."""
        return [failure for outcome in self.outcomes for failure in outcome.failures]

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return not self.failures

    @property
    def summary(self) -> str:
        """The totals in one line, such as `2 checks failed, 30 passed, 5 skipped`."""
        totals = dict.fromkeys(Status, 0)
        for outcome in self.outcomes:
            totals[outcome.status] += 1
        failed = f"{plural(totals[Status.FAILED], 'check')} failed, " if totals[Status.FAILED] else ""
        skipped = f", {totals[Status.SKIPPED]} skipped" if totals[Status.SKIPPED] else ""
        return f"{failed}{totals[Status.PASSED]} passed{skipped}"

    @property
    def failure_texts(self) -> list[str]:
        """Each failure as lines. Where several label configs were tested, it names those in which it occurs."""
        configs: dict[Failure, list[str]] = {}
        for outcome in self.outcomes:
            for failure in outcome.failures:
                configs.setdefault(failure, []).append(outcome.label_config)
        has_several = len({outcome.label_config for outcome in self.outcomes}) > 1
        return [text_of(failure, names if has_several else []) for failure, names in configs.items()]

    def __str__(self) -> str:
        """Return the failures as text, for the message of a failed test."""
        return "\n".join([self.summary, *self.failure_texts])


def text_of(failure: Failure, label_configs: Sequence[str] = ()) -> str:
    """Return a failure as lines: what is wrong and where, what is concerned, and the fix.

    `label_configs` are the names of those with which it occurs; the first ones are shown.
    """
    lines = [f"{failure.place or 'the model'}: {failure.check}: {failure.message}"]
    if label_configs:
        names = list(dict.fromkeys(label_configs))
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        lines.append(f"    label config: {', '.join(names[:_MOST_NAMES])}{more}")
    if failure.field:
        lines.append(f"    field: {failure.field}")
    if failure.task:
        lines.append(f"    task:  {failure.task}")
    if failure.fix:
        lines.append(f"    fix:   {failure.fix}")
    return "\n".join(lines)
