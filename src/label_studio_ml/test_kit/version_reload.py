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
from label_studio_ml.test_kit.report import Failure, Outcome, Status
from label_studio_ml.versions.store.movable_paths import relocated_values

Run = Callable[[Plan], ChildResult]

#: Name of the version.
_VERSION = "test-1"


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
    has_files = any(path.is_file() for path in away.rglob("*"))
    at_new_place = _Loaded(run(_plan(plan, values, moved)), values, has_files=has_files)
    if at_new_place.is_trained:
        return [_passed(check) for check in ("fit-reload", "fit-moved") if check in wanted]
    away.rename(folder)
    at_old_place = _Loaded(run(_plan(plan, values, folder)), values, has_files=has_files)
    outcomes = _outcomes(at_new_place, at_old_place)
    return [outcome for outcome in outcomes if outcome.check in wanted]


def _outcomes(at_new_place: "_Loaded", at_old_place: "_Loaded") -> list[Outcome]:
    """Return the outcomes for a version that fails, or predicts as if it were untrained, where it was moved to."""
    if at_old_place.is_trained or (at_new_place.failures and not at_old_place.failures):
        return [_passed("fit-reload"), _failed("fit-moved", at_new_place.failures or [_unmoved()])]
    if at_old_place.failures or at_old_place.is_forgotten:
        skipped = Outcome(
            check="fit-moved",
            claim=CHECKS["fit-moved"].claim,
            status=Status.SKIPPED,
            reason="fit-reload failed",
        )
        return [_failed("fit-reload", at_old_place.failures or [_unread()]), skipped]
    return [_passed("fit-reload"), _passed("fit-moved")]  # the training changes no prediction


class _Loaded:
    """What a process that has loaded the version came to.

    `is_trained`: it predicts otherwise than the untrained model. `is_forgotten`: it does not, although the training has
    changed predictions, or has written files of which none was read.
    """

    def __init__(self, result: ChildResult, values: Mapping[str, Any], *, has_files: bool) -> None:
        self.failures = [failure for event in result.ends.values() for failure in event.failures]
        if result.ended_in:
            file, line = result.place
            cause = f"the process that loads the version {result.cause}"
            self.failures.append(
                Failure(check="fit-reload", message=cause, field="process", file=file, line=line)
            )
        predictions = result.values.get("predictions")
        untrained, trained = values.get("untrained"), values.get("trained")
        is_as_untrained = _same(predictions, untrained)
        has_learned = isinstance(trained, list) and not _same(trained, untrained)
        reads_nothing = has_files and not result.values.get("files_read")
        self.is_trained = not self.failures and not is_as_untrained
        self.is_forgotten = is_as_untrained and (has_learned or reads_nothing)


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
    own = [
        msgspec.structs.replace(
            failure,
            check=check,
            field="train_output",
            fix=CHECKS[check].fix,
            message=failure.message
            if failure.check == check
            else f"{CHECKS[check].claim}: {failure.message}",
        )
        for failure in failures
    ]
    return Outcome(check=check, claim=CHECKS[check].claim, status=Status.FAILED, failures=own)


def _unread() -> Failure:
    message = "a new process predicts as if there had been no training: what fit has made is not loaded"
    return Failure(check="fit-reload", message=message)


def _unmoved() -> Failure:
    message = (
        "at another place, the version predicts as if there had been no training: a path is no longer right"
    )
    return Failure(check="fit-moved", message=message)
