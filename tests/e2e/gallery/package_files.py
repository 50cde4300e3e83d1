"""Pictures and videos that packages ship, for the tests of the gallery's models."""

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import cv2

from .environments import ROOT

_ARCHIVES = ROOT / ".cache" / "package-files"


def file_of(requirement: str, name: str) -> bytes:
    """Return the file whose path ends with `name` in a package, such as "scikit-image==0.26.0"; its wheel or source.

    Fails the test if pip cannot get the package, or if the package lacks the file.
    """
    archive = _archive(requirement)
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            (path,) = [path for path in wheel.namelist() if path.endswith(name)]
            return wheel.read(path)
    with tarfile.open(archive) as source:
        (member,) = [member for member in source.getmembers() if member.name.endswith(name)]
        content = source.extractfile(member)
        assert content is not None
        return content.read()


def written(folder: Path, names: Iterable[tuple[str, str]]) -> list[Path]:
    """Write files of packages into a folder, each given by its name and its package; return their paths."""
    paths = []
    for name, package in names:
        paths.append(folder / name)
        paths[-1].write_bytes(file_of(package, f"/{name}"))
    return paths


def frames_of(requirement: str, name: str, folder: Path, every: int) -> list[Path]:
    """Write each `every`-th frame of a video of a package into `folder` as PNG; return the files in their order."""
    video = folder / Path(name).name
    video.write_bytes(file_of(requirement, name))
    capture: Any = cv2.VideoCapture(str(video))
    files: list[Path] = []
    number = 0
    while True:
        is_read, frame = capture.read()
        if not is_read:
            return files
        if number % every == 0:
            files.append(folder / f"{video.stem}_{number:03d}.png")
            cv2.imwrite(str(files[-1]), frame)
        number += 1


@cache
def _archive(requirement: str) -> Path:
    """Return the downloaded wheel or source archive of a requirement with a pinned version."""
    folder = _ARCHIVES / requirement
    if not any(folder.glob("*.whl")) and not any(folder.glob("*.tar.gz")):
        folder.mkdir(parents=True, exist_ok=True)
        kind = "--no-binary" if requirement.startswith("face_recognition") else "--only-binary"
        download: list[str | Path] = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        subprocess.run([*download, kind, ":all:", "-d", folder, requirement], check=True)
    (archive,) = [*folder.glob("*.whl"), *folder.glob("*.tar.gz")]
    return archive
