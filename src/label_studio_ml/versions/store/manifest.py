"""The manifest: the record of one model version, kept as a JSON file in the version's folder."""

import itertools
import secrets
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import msgspec

from label_studio_ml.config.metric_gate import Comparison
from label_studio_ml.user_code.code_identity import CodeIdentity

#: The manifest's file name. The version is committed when this file appears in its folder.
MANIFEST = "manifest.json"
#: The manifest's file name after the version was deleted.
TOMBSTONE = "deleted.json"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The record of one version.

    `id` names the version's folder; `name` is the `model_version` that Label Studio sees. `fence` orders the versions
    of a project. `parent` is the name of the version from which this one was trained, empty if the project has none.
    `parent_id` is set in an imported version: the parent's id at the place of origin, whether or not the parent was
    imported. `events` are the ids of the webhook events it was trained on, `state` the key/value pairs that its fit
    set, `train_output` the dict that its fit returned (with `job_id`), `metrics` the numbers that its fit returned or
    logged. `gate` is empty if the version may be served, else one line that says why it is held back. `comparison` has
    the metrics of this version and the one before on the same tasks, None if nothing says on which tasks they were
    measured. `files` maps each file's path inside the folder to its sha256, `sizes` to its size in bytes. `created` is
    ISO 8601 in UTC. `annotations` is the number of labelled tasks it was trained on, -1 if unknown, `source` where they
    came from. `portable`: marks (see `movable_paths`) stand in `train_output` and `state` for the paths of the
    version's folder and of the model folder. The file has the marks; a manifest that was read has the paths. `folder`
    is the folder of such paths in manifests that earlier releases put into a store. `code` is the code that trained
    the version; its hash is empty if that was not recorded.
    """

    id: str
    name: str
    project: str
    fence: int
    created: str
    job: str = ""
    parent: str = ""
    parent_id: str = ""
    events: list[str] = []
    train_output: dict[str, Any] = {}
    state: dict[str, str] = {}
    metrics: dict[str, int | float | None] = {}
    gate: str = ""
    comparison: Comparison | None = None
    files: dict[str, str] = {}
    sizes: dict[str, int] = {}
    annotations: int = -1
    source: str = ""
    folder: str = ""
    portable: bool = False
    code: CodeIdentity = CodeIdentity()

    @property
    def size(self) -> int:
        """The size of all files of the version, in bytes."""
        return sum(self.sizes.values())

    def other_code(self, running: CodeIdentity) -> str:
        """Return a clause on how `running` differs from the code that trained this version, empty if it does not."""
        if self.code.same(running):
            return ""
        return (
            f"version {self.name} was trained ({self.created}) by code {self.code.short} and runs with code "
            f"{running.short}; different: {', '.join(self.code.differences(running))}"
        )


def new_version_id(moment: datetime | None = None) -> str:
    """Return a readable id that sorts by time: `20261123-141530-9f3a`, in UTC; `moment` is now by default."""
    return f"{(moment or datetime.now(UTC)):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def unused_name(name: str, used_names: Collection[str]) -> str:
    """Return `name`, or the first of `name-2`, `name-3`, … that is not in `used_names`, if `name` is."""
    if name not in used_names:
        return name
    return next(
        candidate for number in itertools.count(2) if (candidate := f"{name}-{number}") not in used_names
    )
