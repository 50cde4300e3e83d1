"""Which failures of a run say nothing of its events, so that the events stay for a later run."""

import sqlite3
from pathlib import Path

from label_studio_ml.disk_errors import disk_fix, is_full
from label_studio_ml.errors import BackendError, DecisionError, NoLabelConfig, StoreError, VersionError
from label_studio_ml.training.request import RunRequest
from label_studio_ml.versions.store import VersionStore


def may_pass(error: BaseException, place: Path) -> bool:
    """Tell whether what failed may work later: the disk of `place` is full, or a file of ours cannot be used now.

    A project without a label config gets one with the next `/setup` or event: it had one, where its database was lost.
    What was decided about a project's versions can be read again, or decided anew.
    """
    if is_full(error, place) or isinstance(error, NoLabelConfig | DecisionError):
        return True
    if isinstance(error, StoreError) and error.passing:
        return True
    return isinstance(error, VersionError) and isinstance(error.__cause__, OSError | sqlite3.Error)


def explained(error: BackendError | OSError, model_dir: Path) -> str:
    """Return what an error that was raised in the worker says, with what to do about it."""
    if isinstance(error, BackendError):
        return str(error)
    fix = disk_fix(error, model_dir, "Check the disk, and the rights on MODEL_DIR and the logs folder")
    return f"{error}. {fix}"


def parent_is_damaged(store: VersionStore, request: RunRequest | None) -> bool:
    """Tell whether the version that a run began from is gone or not served any more: the next run takes another.

    What is looked at is what `VersionStore.served` looks at. True where that cannot be found out now: the events stay.
    """
    if request is None or not request.spec.version:
        return False
    try:
        versions = store.versions(request.spec.project.uid)
        parent = next((manifest for manifest in versions if manifest.name == request.spec.version), None)
        return parent is None or bool(store.damage(parent))
    except (VersionError, OSError):
        return True
