"""Read and write manifest files: atomic writes, and a cache of the manifests that were read."""

import logging
from pathlib import Path

import msgspec

from label_studio_ml.errors import VersionError
from label_studio_ml.storage import atomic_files
from label_studio_ml.storage.small_files import DamagedFile, is_passing, read_json
from label_studio_ml.versions.store import version_files
from label_studio_ml.versions.store.manifest import MANIFEST, Manifest
from label_studio_ml.versions.store.movable_paths import localized, portable

logger = logging.getLogger(__name__)


class ManifestFiles:
    """Reads manifests, and caches each until its file's time, size or inode changes."""

    def __init__(self) -> None:
        self._read: dict[Path, tuple[tuple[int, ...], Manifest | None]] = {}
        self._logged: set[str] = set()

    def get(self, path: Path) -> Manifest | None:
        """Return the manifest in a file, None if the file is missing, damaged or not readable.

        After a temporary error, such as too many open files, return what is cached of the file; raises
        VersionError if nothing is.
        """
        try:
            status = path.stat()
            state = (status.st_mtime_ns, status.st_size, status.st_ino)
            if path not in self._read or self._read[path][0] != state:
                self._read[path] = (state, _read_manifest(path))
        except (FileNotFoundError, NotADirectoryError):
            self._read.pop(path, None)
            return None
        except DamagedFile as error:
            self._read[path] = (state, None)
            self._log_once(path, str(error))
        except OSError as error:
            if is_passing(error):
                if path in self._read:
                    return self._read[path][1]
                raise VersionError(f"{path} cannot be read: {error.strerror}") from error
            self._read.pop(path, None)
            self._log_once(path, f"it cannot be read ({error.strerror or error})")
            return None
        return self._read[path][1]

    def _log_once(self, path: Path, problem: str) -> None:
        text = f"{path}: {problem}. This version is not served; restore the file or delete the version"
        if path.name == MANIFEST and text not in self._logged:
            self._logged.add(text)
            logger.warning("%s", text)


def fingerprinted(folder: Path, manifest: Manifest) -> Manifest:
    """Return the manifest with the sha256 and size of each file in `folder`. Raises OSError."""
    names = version_files.files_in(folder)
    return msgspec.structs.replace(
        manifest,
        files={name: version_files.sha256(folder / name) for name in names},
        sizes={name: (folder / name).stat().st_size for name in names},
    )


def write_manifest(
    folder: Path, manifest: Manifest, name: str = MANIFEST, *, home: Path | None = None
) -> None:
    """Write a version's manifest atomically, which commits the version; `name` is TOMBSTONE for a deleted version.

    `home` is the folder whose paths the manifest has, if `folder` is to be renamed to it later. Raises OSError.
    """
    atomic_files.replace_file(folder / name, manifest_text(manifest, home or folder))


def manifest_text(manifest: Manifest, folder: Path) -> str:
    """Return a manifest as JSON, with marks in place of the paths of the version's `folder`."""
    stored = portable(manifest, folder)
    return msgspec.json.format(msgspec.json.encode(stored, enc_hook=str), indent=1).decode()


def _read_manifest(path: Path) -> Manifest | None:
    manifest = read_json(path, Manifest)
    return None if manifest is None else localized(manifest, path.parent)
