"""Collect the key/value pairs that go with a version, from its manifest and those of its ancestors."""

from label_studio_ml.versions.store.manifest import Manifest


def pairs_of(history: list[Manifest], manifest: Manifest) -> dict[str, str]:
    """Return the pairs set by the fits of a version and of its ancestors in `history`; the latest of each key wins."""
    by_name = {version.name: version for version in history}
    line = [manifest]
    while (parent := by_name.get(line[-1].parent)) is not None and parent.fence < line[-1].fence:
        line.append(parent)
    return {key: value for version in reversed(line) for key, value in own_pairs(version).items()}


def own_pairs(manifest: Manifest) -> dict[str, str]:
    """Return the pairs that a version's own fit set; the value of `model_version` is the version's name."""
    pairs = dict(manifest.state)
    if "model_version" in pairs:
        pairs["model_version"] = manifest.name
    return pairs
