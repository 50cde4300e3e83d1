"""What is checked of a new version, under the lock of its project, before it is committed."""

from collections.abc import Collection

from label_studio_ml.errors import StaleFence
from label_studio_ml.gate import Gate
from label_studio_ml.versions.manifest import Manifest


def refusal(gate: Gate, new: Manifest, served: Manifest | None) -> str:
    """Say why a new version is held back; a comparison with another version than the served one does not count."""
    if served is None:
        return gate.refusal(new.metrics, {})
    compared = new.comparison is not None and new.comparison.version == served.name
    return gate.refusal(new.metrics, served.metrics, new.comparison if compared else None)


def see_nobody_was_faster(manifest: Manifest, history: list[Manifest], events: Collection[str]) -> None:
    """Raise StaleFence where another run has published what this one was to publish."""
    newest = max((known.fence for known in history), default=-1)
    if newest >= manifest.fence:
        raise StaleFence(
            f"Version {manifest.id} was trained under fence {manifest.fence}, but {newest} is committed"
        )
    for known in history:
        if set(events).intersection(known.events):
            raise StaleFence(f"Version {known.name} holds events of version {manifest.id} already")
