"""A version as one file, to be kept elsewhere or looked into."""

import secrets
import tarfile
from pathlib import Path

from label_studio_ml.errors import VersionError
from label_studio_ml.versions.disk import file_name
from label_studio_ml.versions.manifest import MANIFEST, Manifest
from label_studio_ml.versions.store import VersionStore


def export(store: VersionStore, manifest: Manifest, target: Path) -> Path:
    """Write a version's folder with its manifest to `target`, a gzipped tar archive, and return its path.

    All of it lies in one folder named like the version: files only, no links, no owners, no absolute paths.
    Raises VersionError if the version is damaged, the file is there already, or the disk refuses.
    """
    folder = store.folder(manifest.project, manifest.id)
    wrong = store.damage(manifest, full=True)
    if wrong:
        raise VersionError(f"Version {manifest.name} is damaged: {wrong}", fix="Export another one")
    if target.exists():
        raise VersionError(
            f"{target} is there already", fix="Name another file, or remove it", field="--output"
        )
    half = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with store.writes(str(target)):
            try:
                with tarfile.open(half, "x:gz", format=tarfile.PAX_FORMAT) as archive:
                    for name in (MANIFEST, *manifest.files):
                        _add(archive, folder / name, f"{file_name(manifest.name)}/{name}")
                half.replace(target)
            finally:
                half.unlink(missing_ok=True)
    except tarfile.TarError as error:
        raise VersionError(f"{target} cannot be written: {error}") from error
    return target


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    """Add a file's content, with nothing of this machine but its size and time."""
    info = tarfile.TarInfo(name)
    status = path.stat()
    info.size, info.mtime, info.mode = status.st_size, int(status.st_mtime), 0o644
    with path.open("rb") as file:
        archive.addfile(info, file)
