"""Check whether a version's files are as they were committed."""

from pathlib import Path

from label_studio_ml.versions.store.manifest import Manifest
from label_studio_ml.versions.store.version_files import sha256


def damage(folder: Path, manifest: Manifest, *, full: bool = False) -> str:
    """Return what is wrong with the first damaged file of a version, empty if all files are intact.

    The sizes of the files are compared; with `full`, the files are read and their sha256 is compared, too.
    """
    for name, digest in manifest.files.items():
        path = folder / name
        try:
            size = path.stat().st_size
            written = manifest.sizes.get(name, size)
            if size != written:
                return f"{name} has {size:,} bytes, {written:,} were written"
            if full and sha256(path) != digest:
                return f"{name} was changed after it was written (its sha256 differs)"
        except FileNotFoundError:
            return f"{name} is missing"
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
    return ""
