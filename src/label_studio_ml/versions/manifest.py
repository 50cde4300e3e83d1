"""What is recorded of a model version."""

import itertools
import secrets
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import msgspec

from label_studio_ml.code_identity import CodeIdentity
from label_studio_ml.gate import Comparison

#: The file whose appearance in a version's folder is the commit.
MANIFEST = "manifest.json"
#: What that file is called once the version was deleted.
TOMBSTONE = "deleted.json"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is recorded of a version.

    `id` names the folder, `name` is what Label Studio sees as `model_version`. `fence` orders the versions of a
    project. `parent` is the name of the version that it was trained from, empty if there is none here. `parent_id` is
    set in a version from elsewhere: the id of its parent there, whether that came along or not. `events` are the ids of
    the webhook events that went into it, `state` the key/value pairs that its fit set, `train_output` the dict that its
    fit returned (with `job_id`), `metrics` the numbers that its fit returned or logged. `gate` is empty when the
    version was let through to be served, else one line that says why it is held back; `comparison` has what the version
    before it and it were compared by, None where nothing says on which tasks their metrics were measured. `files` maps
    each file's path inside the folder to its sha256, `sizes` to its size in bytes. `created` is ISO 8601 in UTC.
    `annotations` says how many labelled tasks it learned from, -1 if unknown, `source` where they came from.
    `portable`: in the file, marks stand in `train_output` and `state` for the paths of the version's folder and of the
    model folder (`paths`); a manifest that was read has the paths. `folder` is the folder that such paths name, in
    manifests that earlier releases put into a store. `code` is what trained it; its hash is empty where that was not
    recorded.
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
        """The bytes of all files of the version."""
        return sum(self.sizes.values())

    def other_code(self, running: CodeIdentity) -> str:
        """Say in a part of a line that the model runs with other code than trained this version, else nothing."""
        if self.code.same(running):
            return ""
        return (
            f"version {self.name} was trained ({self.created}) by code {self.code.short} and runs with code "
            f"{running.short}; different: {', '.join(self.code.differences(running))}"
        )


def new_version_id(moment: datetime | None = None) -> str:
    """Return a readable id that sorts by time: `20261123-141530-9f3a`, in UTC."""
    return f"{(moment or datetime.now(UTC)):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def unused_name(name: str, taken: Collection[str]) -> str:
    """Return `name`, or that with the lowest number from 2 on that makes it none of those `taken`."""
    if name not in taken:
        return name
    return next(made for number in itertools.count(2) if (made := f"{name}-{number}") not in taken)
