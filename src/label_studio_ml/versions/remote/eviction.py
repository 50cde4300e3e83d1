"""Cache eviction: limit the total size of the version files that were fetched from a remote store."""

import contextlib
import logging
import os
import time
from pathlib import Path

from label_studio_ml.errors import DecisionError
from label_studio_ml.storage.folder_problems import folder_problem
from label_studio_ml.versions.store import version_files
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import MANIFEST, Manifest

logger = logging.getLogger(__name__)


def evict(store: VersionStore, cache_folder: Path, incoming: Manifest, max_bytes: int) -> None:
    """Remove the files of other versions until those of `incoming` fit into `max_bytes`.

    Incomplete versions, left by a failed fetch, are removed first, then the least recently used ones. `cache_folder` is
    the folder with this machine's copy of the store. The versions of `_needed` are kept even beyond `max_bytes`, and so
    are all manifests. The caller must hold the fetch lock, so that nothing but `incoming` is being fetched.
    """
    base = cache_folder / "versions"
    uids = [uid for uid in store.local_projects() if not folder_problem(base / version_files.file_name(uid))]
    evictable: list[tuple[bool, float, int, Manifest]] = []
    used = incoming.size
    for uid in uids:
        versions = store.versions(uid)
        others = [version for version in versions if version.id != incoming.id]
        complete = {version.id for version in others if not store.local_damage(version)}
        try:
            needed = _needed(store, uid, complete | {incoming.id})
        except DecisionError:  # the needed versions are not known: keep all
            needed = {version.id for version in versions}
        for version in others:
            folder = store.folder(uid, version.id)
            size = _bytes_in(folder)
            used += size
            if size and version.id not in needed:
                evictable.append((version.id in complete, (folder / MANIFEST).stat().st_atime, size, version))
    for _, _, size, version in sorted(evictable, key=lambda entry: entry[:2]):
        if used <= max_bytes:
            return
        logger.info(
            "Project %s: removing the files of version %s from this machine", version.project, version.name
        )
        version_files.clear_folder(store.folder(version.project, version.id), keep=MANIFEST)
        used -= size


def _bytes_in(folder: Path) -> int:
    """Return the size of a version's files that are in `folder`, 0 if it cannot be read or was just removed."""
    with contextlib.suppress(OSError):
        return sum((folder / name).stat().st_size for name in version_files.files_in(folder))
    return 0


def _needed(store: VersionStore, uid: str, complete: set[str]) -> set[str]:
    """Return the ids of a project's versions that must stay on this machine.

    These are the version that is served from it, which is the newest in the line that is complete and did not fail to
    load, all newer ones in the line, which are tried before it, and the one to serve if it fails. If no version is
    usable, these are the last two of the line. Raises DecisionError.
    """
    line, failed = store.line(uid), store.failures(uid)
    usable = [
        index for index, version in enumerate(line) if version.id in complete and version.id not in failed
    ]
    if not usable:
        return {version.id for version in line[-2:]}
    return {version.id for version in line[usable[-1] :]} | {line[index].id for index in usable[-2:]}


def record_use(folder: Path) -> None:
    """Record that the version in `folder` is used, as the access time of its manifest; disk errors are ignored."""
    path = folder / MANIFEST
    try:
        written = path.stat().st_mtime_ns
        os.utime(path, ns=(time.time_ns(), written))
    except OSError:
        return
