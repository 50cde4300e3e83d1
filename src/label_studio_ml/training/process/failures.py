"""Recognize failures of a run that its events did not cause, so that the events are kept for a later run."""

import sqlite3
from pathlib import Path

from label_studio_ml.errors import (
    BackendError,
    DecisionError,
    FitError,
    NoLabelConfig,
    ParamsError,
    StoreError,
    VersionError,
)
from label_studio_ml.storage.disk_errors import disk_fix, is_full
from label_studio_ml.training.process.run_request import RunRequest
from label_studio_ml.versions.store.local_store import VersionStore


def may_pass(error: BaseException, folder: Path) -> bool:
    """Tell whether a failure may pass: the disk of `folder` is full, or a file of the backend cannot be used now.

    A missing label config may pass: after the loss of a project's database, the next `/setup` or event brings one. A
    wrong parameter can be corrected in Label Studio. An unreadable decision about a project's versions may become
    readable again, or be made anew.
    """
    if is_full(error, folder) or isinstance(error, NoLabelConfig | ParamsError | DecisionError):
        return True
    if isinstance(error, StoreError) and error.passing:
        return True
    return isinstance(error, VersionError) and isinstance(error.__cause__, OSError | sqlite3.Error)


def explained(error: BackendError | OSError, model_dir: Path) -> str:
    """Return the message of an error that was raised in the worker, with advice on how to fix it."""
    if isinstance(error, BackendError):
        return str(error)
    fix = disk_fix(error, model_dir, "Check the disk, and the rights on MODEL_DIR and the logs folder")
    return f"{error}. {fix}"


def code_of(error: BaseException, otherwise: type[BackendError] = FitError) -> str:
    """Return the code of an error that ended a training: its own, or that of `otherwise` if it is no BackendError."""
    return error.code if isinstance(error, BackendError) else otherwise.code


def parent_is_damaged(store: VersionStore, request: RunRequest | None) -> bool:
    """Tell whether the version that a run started from is missing or damaged: the next run starts from another.

    The checks are those of `VersionStore.served`. Returns True if the versions cannot be read now, so that the events
    are kept; False if the run started from no version.
    """
    if request is None or not request.spec.version:
        return False
    try:
        versions = store.versions(request.spec.project.uid)
        parent = next((manifest for manifest in versions if manifest.name == request.spec.version), None)
        return parent is None or bool(store.damage(parent))
    except (VersionError, OSError):
        return True
