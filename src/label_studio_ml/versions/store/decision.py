"""Choose the version to serve, from a person's decision and the versions published after it.

Without a decision, the newest version that the metric gate let through is served. A decision holds until the gate lets
a newer version through; a pinned decision holds until the next decision.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from label_studio_ml.storage import atomic_files
from label_studio_ml.versions.store.manifest import Manifest

#: Maximum number of ids that a decision keeps in `before`.
_MAX_BEFORE = 100


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """A person's decision about which version of a project is served.

    `version` is the id of the version to serve, `fence` the project's highest fence at that moment: versions
    trained later have a higher one. `pinned`: they do not replace it. `before` are the ids of versions served before
    it, oldest first: `rollback` goes back along them. `promoted` are the ids of all versions that were ever promoted
    by hand. `at` is ISO 8601 in UTC.
    """

    version: str
    fence: int
    pinned: bool = False
    before: list[str] = []
    promoted: list[str] = []
    at: str = ""

    def write(self, path: Path) -> None:
        """Replace the file `path` with this decision atomically. Raises OSError."""
        atomic_files.replace_file(path, self.text())

    def is_later_than(self, other: "Decision") -> bool:
        """Tell whether this decision was made after `other`."""
        return (self.fence, self.at) > (other.fence, other.at)

    def text(self) -> str:
        """Return this decision as JSON, with the last 100 ids of `before`."""
        shortened = msgspec.structs.replace(self, before=self.before[-_MAX_BEFORE:])
        return msgspec.json.format(msgspec.json.encode(shortened), indent=1).decode()


def served_line(
    versions: Sequence[Manifest], decision: Decision | None, pin: str = "", *, lost: bool = False
) -> list[Manifest]:
    """Return the versions that were served one after the other, oldest first; the last is the one to serve now.

    `versions` are in the order of their fences. Versions that were rolled back are left out. `pin` is the name or id
    of a version that is last regardless of the decision, if the project has it. `lost`: the version of the decision
    is missing and was not deleted; if the decision was pinned, newer versions do not replace it.
    """
    by_id = {manifest.id: manifest for manifest in versions}
    if decision is None:
        line = [manifest for manifest in versions if not manifest.gate]
    else:
        served_ids = (*decision.before, decision.version)
        line = [by_id[version_id] for version_id in served_ids if version_id in by_id]
        if not (decision.pinned and (lost or decision.version in by_id)):
            line += [version for version in versions if not version.gate and version.fence > decision.fence]
    pinned = named(versions, pin)
    return [version for version in line if version is not pinned] + ([pinned] if pinned else [])


def named(versions: Sequence[Manifest], name: str) -> Manifest | None:
    """Return the version with this name or id, None if there is none or `name` is empty."""
    return next((version for version in versions if name and name in (version.name, version.id)), None)
