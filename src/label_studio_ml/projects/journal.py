"""Journal of predictions being sent, so that the run after a crash knows which ones Label Studio may have stored."""

import contextlib
import hashlib
import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Protocol

from label_studio_ml.errors import SettingsError
from label_studio_ml.storage import atomic_files, file_locks
from label_studio_ml.storage.private_files import make_folder


class Busy(SettingsError):
    """Another run is storing predictions of the same version."""

    code = "LSML-E205"


class Copy(Protocol):
    """A second copy of a journal, for runs that continue the work on another machine."""

    def read(self) -> list[str]:
        """Return the stored texts."""

    def write(self, text: str) -> None:
        """Store `text` in place of the previous one."""

    def clear(self) -> None:
        """Remove the texts."""


class Journal:
    """The journal in `folder` of runs that store predictions of one version in one project.

    One run at a time holds it. `sending` are the tasks whose predictions are in flight; `doubtful` those that may have
    got them twice, until `settle` is called. With `part`, it is the journal of one shard: all shards of a version hold
    theirs at the same time, and a run without `part`, which needs all of them free, takes over their entries. `copy` is
    read and written with the file. Raises Busy if another run still holds the journal after `patience` seconds,
    SettingsError if a file is damaged, and what `copy` raises.
    """

    def __init__(
        self,
        folder: Path,
        uid: str,
        version: str,
        *,
        part: str = "",
        patience: float = 0.0,
        copy: Copy | None = None,
    ) -> None:
        self._copy = copy
        name = hashlib.blake2b(f"{uid}\n{version}".encode(), digest_size=8).hexdigest()
        make_folder(folder)
        self._path = folder / f"{name}{f'.{part}' if part else ''}.json"
        self._header = {"project": uid, "version": version}
        self._locks: list[IO[str]] = []
        lock_files = [(f"{name}.lock", bool(part))]
        lock_files += [(f"{name}.{part}.lock", False)] if part else []
        deadline = time.monotonic() + patience
        for file, shared in lock_files:
            seconds = max(0.0, deadline - time.monotonic())
            try:
                self._locks.append(file_locks.open_locked(folder / file, shared=shared, seconds=seconds))
            except BlockingIOError:
                self.close()
                raise Busy(
                    f"Another run is storing predictions of version {version} in this project",
                    fix="Wait for its end",
                ) from None
        self.sending: list[int] = []
        self.doubtful: set[int] = set()
        try:
            self._read(() if part else sorted(folder.glob(f"{name}.*.json")))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Release the locks."""
        for lock in self._locks:
            lock.close()

    def begin(self, task_ids: Iterable[int]) -> None:
        """Record that predictions of these tasks are being sent."""
        self.sending = list(task_ids)
        self._write()

    def done(self) -> None:
        """Record that the outcome of what was being sent is known."""
        self.sending = []
        self._write()

    def doubt(self) -> None:
        """Record that predictions being sent may still be stored after the check for them, and so twice."""
        self.doubtful.update(self.sending)
        self._write()

    def settle(self) -> None:
        """Remove the entries: nothing is in flight or in doubt."""
        self.sending, self.doubtful = [], set()
        self._path.unlink(missing_ok=True)
        if self._copy is not None:
            self._copy.clear()

    def _read(self, parts: Sequence[Path]) -> None:
        texts = self._copy.read() if self._copy is not None else []
        for path in (self._path, *parts):
            with contextlib.suppress(FileNotFoundError):
                texts.append(path.read_text(errors="replace"))
        for text in dict.fromkeys(texts):
            try:
                entry = json.loads(text)
                self.sending += entry["sending"]
                self.doubtful.update(entry["doubtful"])
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise SettingsError(
                    f"{self._path}, or a file beside it, is damaged ({error}): it says which predictions were being "
                    "sent when a run ended, and may have been stored",
                    fix="See whether tasks have two predictions of one version, then remove the file",
                ) from None
        self.sending = sorted(set(self.sending))
        if texts:
            self._write()
            for path in parts:
                path.unlink(missing_ok=True)

    def _write(self) -> None:
        text = json.dumps({**self._header, "sending": self.sending, "doubtful": sorted(self.doubtful)})
        atomic_files.replace_file(self._path, text, temporary=self._path.with_suffix(".new"), durable=False)
        if self._copy is not None:
            self._copy.write(text)


def unfinished(folder: Path, uid: str) -> list[str]:
    """Return the versions whose runs ended while predictions of the project were in flight, sorted."""
    versions = set()
    for path in folder.glob("*.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            entry = json.loads(path.read_text())
            if entry["project"] == uid and entry["sending"]:
                versions.add(str(entry["version"]))
    return sorted(versions)
