"""Model versions on disk: one folder each, committed by the file that is written last.

    <model_dir>/versions/<project uid>/
        <version id>/            what `fit` wrote to its workdir
        <version id>/manifest.json   appears last: its appearance is the commit
        newest                   a hint for pollers, the id of the last commit

A folder without a manifest is the rest of a run that did not finish. A publish whose fence is lower than the newest
committed one is refused: another run has trained the project in the meantime.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from label_studio_ml.errors import StaleFence, VersionError

MANIFEST = "manifest.json"
_HINT = "newest"
_LOCK = ".lock"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is recorded of a version.

    `id` names the folder, `name` is what Label Studio sees as `model_version`. `fence` orders the versions of a
    project. `events` are the ids of the webhook events that went into it, `state` the key/value pairs that its fit
    set, `train_output` the dict that its fit returned (with `job_id`). `files` maps each file's path inside
    the folder to its sha256. `created` is ISO 8601 in UTC. `annotations` says how many labelled tasks it
    learned from, -1 if unknown, `source` where they came from.
    """

    id: str
    name: str
    project: str
    fence: int
    created: str
    job: str = ""
    parent: str = ""
    events: list[str] = []
    train_output: dict[str, Any] = {}
    state: dict[str, str] = {}
    metrics: dict[str, Any] = {}
    files: dict[str, str] = {}
    annotations: int = -1
    source: str = ""


def new_version_id(moment: datetime | None = None) -> str:
    """Return a readable id that sorts by time: `20261123-141530-9f3a`, in UTC."""
    return f"{(moment or datetime.now(UTC)):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


class VersionStore:
    """The versions of all projects below one folder. Safe to use from several threads and processes."""

    def __init__(self, model_dir: Path) -> None:
        self._root = model_dir / "versions"
        self._read: dict[Path, Manifest | None] = {}

    def folder(self, uid: str, version_id: str = "") -> Path:
        """Return the folder of a project's versions, or of one version."""
        base = self._root / _file_name(uid)
        return base / _file_name(version_id) if version_id else base

    def projects(self) -> list[str]:
        """Return the uids of the projects that have a folder here."""
        if not self._root.is_dir():
            return []
        return sorted(unquote(path.name) for path in self._root.iterdir() if path.is_dir())

    def begin(self, uid: str, version_id: str) -> Path:
        """Make the folder of a version to be, and return it. Raises VersionError if the disk refuses."""
        folder = self.folder(uid, version_id)
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise VersionError(
                f"The folder of a new version cannot be made: {error}",
                fix="Check MODEL_DIR, its rights and the disk",
            ) from error
        return folder

    def publish(self, manifest: Manifest) -> Manifest:
        """Commit the version whose folder `begin` made; return the manifest as written, with its files' sha256.

        Raises StaleFence if a version with a higher fence is committed already, VersionError if the disk refuses.
        """
        folder = self.folder(manifest.project, manifest.id)
        try:
            files = {str(path.relative_to(folder)): _sha256(path) for path in sorted(_files(folder))}
            full = msgspec.structs.replace(manifest, files=files)
            with self._locked(manifest.project):
                newest = max((known.fence for known in self.versions(manifest.project)), default=-1)
                if newest >= manifest.fence:
                    raise StaleFence(
                        f"Version {manifest.id} was trained under fence {manifest.fence}, but {newest} is committed"
                    )
                text = msgspec.json.format(msgspec.json.encode(full, enc_hook=str), indent=1).decode()
                _write_durably(folder / MANIFEST, text)
                self._write_hint(folder.parent / _HINT, manifest.id)
        except OSError as error:
            raise VersionError(
                f"Version {manifest.id} cannot be written: {error}",
                fix="Check MODEL_DIR, its rights and the disk",
            ) from error
        return full

    @staticmethod
    def _write_hint(path: Path, version_id: str) -> None:
        """Tell pollers of a commit. The version is committed already: a full disk must not make that a failure."""
        try:
            _write_durably(path, version_id)
        except OSError:
            path.unlink(missing_ok=True)

    def clear_unfinished(self, uid: str) -> None:
        """Remove what runs left that never committed. Only for whoever holds the project's lease."""
        base = self.folder(uid)
        if base.is_dir():
            for path in [path for path in base.iterdir() if path.is_dir()]:
                self.discard(uid, unquote(path.name))

    def discard(self, uid: str, version_id: str) -> None:
        """Remove the folder of a version that was not committed."""
        folder = self.folder(uid, version_id)
        if not (folder / MANIFEST).exists():
            shutil.rmtree(folder, ignore_errors=True)

    def versions(self, uid: str) -> list[Manifest]:
        """Return the committed versions of a project, oldest first."""
        base = self.folder(uid)
        if not base.is_dir():
            return []
        found = (self._manifest(path) for path in base.iterdir() if path.is_dir())
        return sorted((one for one in found if one is not None), key=lambda one: one.fence)

    def newest(self, uid: str) -> Manifest | None:
        """Return the newest committed version of a project, or None."""
        return next(iter(reversed(self.versions(uid))), None)

    def hint(self, uid: str) -> str:
        """Return the id of the last commit as cheaply as possible; empty before the first."""
        try:
            return (self.folder(uid) / _HINT).read_text()
        except OSError:
            return ""

    def delete_project(self, uid: str) -> None:
        """Remove all versions of a project."""
        shutil.rmtree(self.folder(uid), ignore_errors=True)

    def copy_project(self, source: str, target: str) -> Manifest | None:
        """Give `target` a copy of the newest version of `source`, and return it; None if there is none."""
        newest = self.newest(source)
        if newest is None:
            return None
        present = self.newest(target)
        version_id = new_version_id()
        folder = self.folder(target, version_id)
        try:
            shutil.copytree(self.folder(source, newest.id), folder, ignore=shutil.ignore_patterns(MANIFEST))
        except (OSError, shutil.Error) as error:
            self.discard(target, version_id)
            raise VersionError(
                f"Version {newest.name} cannot be copied: {error}",
                fix="Check MODEL_DIR, its rights and the disk",
            ) from error
        old, new = str(self.folder(source, newest.id)), str(folder)
        output = json.loads(
            json.dumps(newest.train_output).replace(json.dumps(old)[1:-1], json.dumps(new)[1:-1])
        )
        copy = msgspec.structs.replace(
            newest,
            id=version_id,
            project=target,
            train_output=output,
            parent=present.name if present else "",
            events=[],
            fence=present.fence + 1 if present else 1,
        )
        return self.publish(copy)

    def _manifest(self, folder: Path) -> Manifest | None:
        """Return the manifest in `folder`, None if it is not committed. It never changes, so it is read once."""
        path = folder / MANIFEST
        if path not in self._read:
            try:
                self._read[path] = msgspec.json.decode(path.read_bytes(), type=Manifest)
            except (OSError, msgspec.MsgspecError):
                return None
        return self._read[path]

    @contextlib.contextmanager
    def _locked(self, uid: str) -> Iterator[None]:
        with open(self.folder(uid) / _LOCK, "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _file_name(text: str) -> str:
    """Return `text` as a safe name of one folder."""
    name = quote(text, safe="")
    return name.replace(".", "%2E") if set(name) <= {"."} else name


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_durably(path: Path, text: str) -> None:
    """Write a file so that after a crash it is there in full or not at all."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with temporary.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
