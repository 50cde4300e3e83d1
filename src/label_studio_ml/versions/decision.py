"""Which version is served: what people decided, and the rule for what is published after that.

Without a decision, the newest version that was let through is served. A decision holds until a version is let through
that is newer than it; a pinned one holds until somebody decides again.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from label_studio_ml.versions.disk import write_durably
from label_studio_ml.versions.manifest import Manifest

#: Versions served before that a decision remembers.
_REMEMBERED = 100


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody decided about a project's versions.

    `version` is the id of the version to serve, `fence` the highest fence at that moment, so that later versions are
    known as such. `pinned`: no later version takes its place. `before` are the ids of the versions served before it,
    oldest first: `rollback` goes back along them. `promoted` are the ids that were ever promoted by hand. `at` is
    ISO 8601 in UTC.
    """

    version: str
    fence: int
    pinned: bool = False
    before: list[str] = []
    promoted: list[str] = []
    at: str = ""

    def write(self, path: Path) -> None:
        """Put this decision in place of the one in `path`, at once. Raises OSError."""
        write_durably(path, self.text())

    def later(self, other: "Decision") -> bool:
        """Tell whether this was decided after `other`."""
        return (self.fence, self.at) > (other.fence, other.at)

    def text(self) -> str:
        """Return this decision as it is written down."""
        kept = msgspec.structs.replace(self, before=self.before[-_REMEMBERED:])
        return msgspec.json.format(msgspec.json.encode(kept), indent=1).decode()


def served_line(
    versions: Sequence[Manifest], decision: Decision | None, pin: str = "", *, lost: bool = False
) -> list[Manifest]:
    """Return the versions that were served one after the other, oldest first: the last is to be served now.

    `versions` are in the order of their fences. What was rolled back is not among them. `pin` is the name or id of a
    version that goes last whatever was decided, where the project has it. `lost`: the version of the decision is gone,
    and nobody deleted it: if it was pinned, newer ones are not served in its place.
    """
    known = {manifest.id: manifest for manifest in versions}
    if decision is None:
        line = [manifest for manifest in versions if not manifest.gate]
    else:
        line = [known[one] for one in (*decision.before, decision.version) if one in known]
        if not (decision.pinned and (lost or decision.version in known)):
            line += [one for one in versions if not one.gate and one.fence > decision.fence]
    pinned = named(versions, pin)
    return [one for one in line if one is not pinned] + ([pinned] if pinned else [])


def named(versions: Sequence[Manifest], name: str) -> Manifest | None:
    """Return the version with this name or id, None if there is none."""
    return next((one for one in versions if name and name in (one.name, one.id)), None)
