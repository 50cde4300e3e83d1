"""The outcomes of the checks with one label config, in the order in which they come."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from label_studio_ml.test_kit.check_catalogue import CHECKS, Check, Phase, checks_of
from label_studio_ml.test_kit.code_places import UserCode
from label_studio_ml.test_kit.report import Failure, Outcome, Status

#: Checks of which others need that they were run, not only that they have not failed.
_TO_BE_RUN = ("fit", "fit-output")


class OutcomeList:
    """Outcomes with the label config `name`; `progress` is called with each.

    `skipped` has the reason for each check that is left out; with `quick`, those that take long are, too. `failed` are
    the checks on which others cannot build.
    """

    def __init__(
        self,
        name: str,
        code: UserCode,
        skipped: Mapping[str, str],
        progress: Callable[[Outcome], None],
        *,
        quick: bool,
    ) -> None:
        self._name, self._code, self._progress = name, code, progress
        self._skipped, self._quick = skipped, quick
        self.outcomes: list[Outcome] = []
        self.failed: set[str] = set()

    @property
    def checks(self) -> set[str]:
        """The checks that have an outcome."""
        return {outcome.check for outcome in self.outcomes}

    def wanted(self, phase: Phase) -> list[Check]:
        """Return the checks of a phase that are to be run."""
        return [check for check in checks_of(phase, self._skipped) if not (check.is_long and self._quick)]

    def skip(self, check: str, reason: str) -> None:
        """Add a check that was not run."""
        self.add_new(check, Status.SKIPPED, reason=self._skipped.get(check, reason))

    def skip_all(self, phase: Phase, reason: str) -> None:
        """Add all checks of a phase as not run."""
        for check in checks_of(phase):
            self.skip(check.id, reason)

    def skip_unwanted(self, phase: Phase) -> None:
        """Add the checks of a phase that are left out."""
        wanted = {check.id for check in self.wanted(phase)}
        for check in checks_of(phase):
            if check.id not in wanted:
                self.skip(check.id, "it takes long, and --quick is set")

    def fail(self, failure: Failure) -> None:
        """Add a check that failed in one way."""
        self.add_new(failure.check, Status.FAILED, failures=[failure])

    def add_new(self, check: str, status: Status, **fields: Any) -> None:
        """Add the outcome of a check."""
        self.add(Outcome(check=check, claim=CHECKS[check].claim, status=status, **fields))

    def add(self, outcome: Outcome) -> None:
        """Add an outcome; failures without a line get that of `setup` or the constructor."""
        is_not_run = outcome.status is Status.SKIPPED and outcome.check in _TO_BE_RUN
        if outcome.status is Status.FAILED or is_not_run:
            self.failed.add(outcome.check)
        failures = [self._placed(failure) for failure in outcome.failures]
        named = msgspec.structs.replace(outcome, label_config=self._name, failures=failures)
        self.outcomes.append(named)
        self._progress(named)

    def _placed(self, failure: Failure) -> Failure:
        if failure.file:
            return failure
        file, line = self._code.method("setup", "__init__", "predict")
        return msgspec.structs.replace(failure, file=file, line=line)

    def why_not_passed(self, checks: Collection[str]) -> str:
        """Return why the first of the `checks` that has not passed has not; empty if none of them is such."""
        missing = (
            outcome
            for outcome in self.outcomes
            if outcome.check in checks and outcome.status is not Status.PASSED
        )
        return next((outcome.reason or f"{outcome.check} failed" for outcome in missing), "")
