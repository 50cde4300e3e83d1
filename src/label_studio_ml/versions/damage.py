"""Telling whether a version's files are what was committed."""

from pathlib import Path

from label_studio_ml.versions.disk import sha256
from label_studio_ml.versions.manifest import Manifest


def damage(folder: Path, manifest: Manifest, *, full: bool = False) -> str:
    """Say what is wrong with the files of a version, naming the first of them; nothing if all is well.

    Without `full` only their sizes are looked at; with it they are read, and their sha256 compared.
    """
    for name, digest in manifest.files.items():
        path = folder / name
        try:
            size = path.stat().st_size
            written = manifest.sizes.get(name, size)
            if size != written:
                return f"{name} has {size:,} bytes, {written:,} were written"
            if full and sha256(path) != digest:
                return f"{name} is not what was written (its sha256 differs)"
        except FileNotFoundError:
            return f"{name} is missing"
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
    return ""
