"""Load what `fit` has made in new processes, at its place and moved, and compare what it predicts."""

import shutil
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml.test_kit.check_catalogue import CHECKS, Phase
from label_studio_ml.test_kit.child.predict_calls import first_unlike
from label_studio_ml.test_kit.child_plan import Plan
from label_studio_ml.test_kit.child_runner import ChildResult
from label_studio_ml.test_kit.file_reads import FileReads
from label_studio_ml.test_kit.report import Failure, Outcome, Status
from label_studio_ml.versions.store.movable_paths import relocated_values

Run = Callable[[Plan], ChildResult]

#: Name of the version.
_VERSION = "test-1"

#: How messages begin, by check.
_WHERE = {"fit-reload": "in a new process", "fit-moved": "after the version's folder was moved"}
_FORGOTTEN = "the model predicts as if there had been no training: what fit has made is not loaded"

#: Predictions to compare with, by their name in the values that the training's process sent.
_REFERENCES = {
    "trained": "the one that fit has trained",
    "rebuilt": "a new one in the process of the training",
}


def reload_outcomes(
    plan: Plan, values: Mapping[str, Any], run: Run, wanted: Collection[str]
) -> list[Outcome]:
    """Return the outcomes of the checks of reloading that are `wanted`.

    `plan` is that of the training, `values` what it sent, and `run` runs a plan in a new process. The version's folder
    is moved, and moved back if it does not work at the new place.
    """
    folder = Path(plan.workdir)
    moved = folder.parent.parent.parent.parent / "elsewhere" / "versions" / "project" / "version"
    shutil.copytree(folder, moved)
    away = folder.with_name("away")
    folder.rename(away)
    at_new_place = _Loaded.at(moved, "fit-moved", plan, values, run)
    if at_new_place.is_right:
        return [_passed(check) for check in ("fit-reload", "fit-moved") if check in wanted]
    away.rename(folder)
    at_old_place = _Loaded.at(folder, "fit-reload", plan, values, run)
    outcomes = _outcomes(at_new_place, at_old_place)
    return [outcome for outcome in outcomes if outcome.check in wanted]


def _outcomes(at_new_place: "_Loaded", at_old_place: "_Loaded") -> list[Outcome]:
    """Return the outcomes for a version that is not right where it was moved to."""
    if at_old_place.failures:
        skipped = Outcome(
            check="fit-moved",
            claim=CHECKS["fit-moved"].claim,
            status=Status.SKIPPED,
            reason="fit-reload failed",
        )
        return [_failed("fit-reload", at_old_place.failures), skipped]
    return [_passed("fit-reload"), _failed("fit-moved", at_new_place.failures)]


class _Loaded:
    """What is wrong with a version that a new process has loaded (`failures`), for the check `check`."""

    def __init__(
        self, check: str, result: ChildResult, plan: Plan, values: Mapping[str, Any], *, reads_nothing: bool
    ) -> None:
        self._check, self._plan, self._values = check, plan, values
        raised = [failure for event in result.ends.values() for failure in event.failures]
        self.failures = [
            self._failure(failure.message, task=failure.task, file=failure.file, line=failure.line)
            for failure in raised
        ]
        if result.ended_in:
            file, line = result.place
            self.failures.append(
                self._failure(f"the process that loads the version {result.cause}", file=file, line=line)
            )
        if not self.failures:
            self.failures += self._unlike(result.values.get("predictions"), reads_nothing=reads_nothing)

    @classmethod
    def at(cls, folder: Path, check: str, plan: Plan, values: Mapping[str, Any], run: Run) -> "_Loaded":
        """Load the version, whose files are in `folder`, in a new process."""
        reads = FileReads(folder)
        result = run(_plan(plan, values, folder))
        has_files = any(path.is_file() for path in folder.rglob("*"))
        is_unread = not result.values.get("files_read") and reads.happened() is False
        return cls(check, result, plan, values, reads_nothing=has_files and is_unread)

    @property
    def is_right(self) -> bool:
        """Whether the version was loaded, and predicts as it did in the process of the training."""
        return not self.failures

    def _unlike(self, predictions: Any, *, reads_nothing: bool) -> list[Failure]:
        """Compare the predictions with those before the training, after it, and of the version as it was loaded then.

        The latter two tell nothing where they are as before the training: a `fit` need not change its own model.
        """
        untrained = self._values.get("untrained")
        learnt = [
            (name, self._values[key])
            for key, name in _REFERENCES.items()
            if isinstance(self._values.get(key), list) and not _same(self._values[key], untrained)
        ]
        if _same(predictions, untrained):
            is_forgotten = learnt or reads_nothing
            return [self._failure(_FORGOTTEN)] if is_forgotten else []
        for name, reference in learnt:
            if isinstance(predictions, list) and (unlike := first_unlike(reference, predictions)):
                number, where = unlike
                task = str(self._plan.tasks[number].get("id", ""))
                message = f"the model predicts otherwise than {name}: {where} differs"
                return [self._failure(message, task=task)]
        return []

    def _failure(self, message: str, *, task: str = "", file: str = "", line: int = 0) -> Failure:
        return Failure(
            check=self._check,
            message=f"{_WHERE[self._check]}, {message}",
            field="train_output",
            task=task,
            fix=CHECKS[self._check].fix,
            file=file,
            line=line,
        )


def _same(left: Any, right: Any) -> bool:
    """Tell whether two processes predict the same; texts say why there are no predictions."""
    if not isinstance(left, list) or not isinstance(right, list):
        return bool(left == right)
    return first_unlike(left, right) is None


def _plan(plan: Plan, values: Mapping[str, Any], folder: Path) -> Plan:
    old = Path(plan.workdir)
    return msgspec.structs.replace(
        plan,
        phase=Phase.RELOAD,
        checks=["fit-reload"],
        failed=[],
        labelled=[],
        workdir=str(folder),
        version=_VERSION,
        train_output={**relocated_values(values["train_output"], old, folder), "job_id": _VERSION},
        state=relocated_values(values.get("state", {}), old, folder),
    )


def _passed(check: str) -> Outcome:
    return Outcome(check=check, claim=CHECKS[check].claim, status=Status.PASSED)


def _failed(check: str, failures: list[Failure]) -> Outcome:
    return Outcome(check=check, claim=CHECKS[check].claim, status=Status.FAILED, failures=failures)
