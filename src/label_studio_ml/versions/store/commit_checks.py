"""Checks of a new version before it is committed, under the lock of its project: metric gate, fence and events."""

from collections.abc import Collection

from label_studio_ml.config.metric_gate import Gate
from label_studio_ml.errors import StaleFence
from label_studio_ml.versions.store.manifest import Manifest


def refusal(gate: Gate, new: Manifest, served: Manifest | None) -> str:
    """Return why `gate` holds a new version back, empty if it lets the version through.

    `served` is None where the untrained model is served. The comparison in `new` counts if it is with `served`.
    """
    if served is None:
        return gate.refusal(new.metrics, {})
    compared = new.comparison is not None and new.comparison.version == served.name
    return gate.refusal(new.metrics, served.metrics, new.comparison if compared else None)


def check_not_superseded(manifest: Manifest, history: list[Manifest], events: Collection[str]) -> None:
    """Raise StaleFence if `history` has a version with the same or a higher fence, or one that holds some `events`.

    In that case, another run has trained the project in the meantime.
    """
    highest_fence = max((version.fence for version in history), default=-1)
    if highest_fence >= manifest.fence:
        raise StaleFence(
            f"Version {manifest.id} was trained under fence {manifest.fence}, but {highest_fence} is committed"
        )
    for version in history:
        if set(events).intersection(version.events):
            raise StaleFence(f"Version {version.name} holds events of version {manifest.id} already")
