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


def make_room(store: VersionStore, near: Path, wanted: Manifest, most: int) -> None:
    """Remove the files of other versions until those of `wanted` fit into `most` bytes.

    Incomplete versions go first, which a fetch that failed has left, then the least recently used ones. `near` is the
    folder with this machine's copy of the store. The versions of `_needed` are kept even beyond `most`, and so are all
    manifests. The caller must hold the fetch lock, so that nothing but `wanted` is being fetched.
    """
    base = near / "versions"
    uids = [uid for uid in store.projects_here() if not folder_problem(base / version_files.file_name(uid))]
    evictable: list[tuple[bool, float, int, Manifest]] = []
    used = wanted.size
    for uid in uids:
        versions = store.versions(uid)
        others = [one for one in versions if one.id != wanted.id]
        complete = {one.id for one in others if not store.damage_here(one)}
        try:
            needed = _needed(store, uid, complete | {wanted.id})
        except DecisionError:  # it is not known which are needed: keep all
            needed = {one.id for one in versions}
        for one in others:
            folder = store.folder(uid, one.id)
            size = _bytes_in(folder)
            used += size
            if size and one.id not in needed:
                evictable.append((one.id in complete, (folder / MANIFEST).stat().st_atime, size, one))
    for _, _, size, one in sorted(evictable, key=lambda entry: entry[:2]):
        if used <= most:
            return
        logger.info("Project %s: the files of version %s leave this machine", one.project, one.name)
        version_files.empty(store.folder(one.project, one.id), keep=MANIFEST)
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
    usable = [index for index, one in enumerate(line) if one.id in complete and one.id not in failed]
    if not usable:
        return {one.id for one in line[-2:]}
    return {one.id for one in line[usable[-1] :]} | {line[index].id for index in usable[-2:]}


def used_now(folder: Path) -> None:
    """Record that the version in `folder` is used, as the access time of its manifest; disk errors are ignored."""
    path = folder / MANIFEST
    try:
        written = path.stat().st_mtime_ns
        os.utime(path, ns=(time.time_ns(), written))
    except OSError:
        return
