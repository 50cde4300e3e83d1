"""Cache eviction: limit the total size of the version files that were fetched from a remote store."""

import logging
import os
import time
from pathlib import Path

from label_studio_ml.errors import DecisionError
from label_studio_ml.folder_problems import folder_problem
from label_studio_ml.versions import disk
from label_studio_ml.versions.damage import damage
from label_studio_ml.versions.manifest import MANIFEST, Manifest
from label_studio_ml.versions.store import VersionStore

logger = logging.getLogger(__name__)


def make_room(store: VersionStore, near: Path, wanted: Manifest, most: int) -> None:
    """Remove the files of the least recently used versions until those of `wanted` fit into `most` bytes.

    `near` is the folder with this machine's copy of the store. The last two versions of each project's line (the served
    one and the one before, if they load) are kept even beyond `most`, and so are all manifests. The caller must hold
    the fetch lock.
    """
    base = near / "versions"
    uids = [uid for uid in VersionStore.projects(store) if not folder_problem(base / disk.file_name(uid))]
    kept: list[tuple[float, Manifest]] = []
    used = wanted.size
    for uid in uids:
        try:
            needed = {one.id for one in store.line(uid)[-2:]} | {wanted.id}
        except DecisionError:  # it is not known which are needed: keep all
            needed = {one.id for one in store.versions(uid)}
        for one in store.versions(uid):
            folder = store.folder(uid, one.id)
            if one.id == wanted.id or damage(folder, one) or not one.size:
                continue
            used += one.size
            if one.id not in needed:
                kept.append(((folder / MANIFEST).stat().st_atime, one))
    for _, one in sorted(kept, key=lambda pair: pair[0]):
        if used <= most:
            return
        logger.info("Project %s: the files of version %s leave this machine", one.project, one.name)
        disk.empty(store.folder(one.project, one.id), keep=MANIFEST)
        used -= one.size


def used_now(folder: Path) -> None:
    """Record that the version in `folder` is used, as the access time of its manifest; disk errors are ignored."""
    path = folder / MANIFEST
    try:
        written = path.stat().st_mtime_ns
        os.utime(path, ns=(time.time_ns(), written))
    except OSError:
        return
