"""What a run on a project must know after it was killed: which predictions may have been stored, or not."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from label_studio_ml.errors import SettingsError


class Journal:
    """The notes of the runs that store predictions of one version in one project, in `folder`.

    `sending` are the tasks whose predictions were under way; `doubtful` those that may have got them twice, until
    `settle`. One run at a time holds a journal. Raises SettingsError when another one does.
    """

    def __init__(self, folder: Path, uid: str, version: str) -> None:
        name = hashlib.blake2b(f"{uid}\n{version}".encode(), digest_size=8).hexdigest()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = folder / f"{name}.json"
        self._about = {"project": uid, "version": version}
        self._lock: IO[str] = open(folder / f"{name}.lock", "w")  # noqa: SIM115 (kept open: it holds the lock)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise SettingsError(
                f"Another run is storing predictions of version {version} in this project",
                fix="Wait for its end",
            ) from None
        self.sending: list[int] = []
        self.doubtful: set[int] = set()
        self._read()

    def close(self) -> None:
        """Let others hold the journal."""
        self._lock.close()

    def begin(self, task_ids: Iterable[int]) -> None:
        """Note that predictions of these tasks are being sent."""
        self.sending = list(task_ids)
        self._write()

    def done(self) -> None:
        """Note that it is known what became of them."""
        self.sending = []
        self._write()

    def doubt(self) -> None:
        """Note that what is being sent may be stored later than it was looked for."""
        self.doubtful.update(self.sending)
        self._write()

    def settle(self) -> None:
        """Note that nothing is in doubt."""
        self.sending, self.doubtful = [], set()
        self._path.unlink(missing_ok=True)

    def _read(self) -> None:
        try:
            kept = json.loads(self._path.read_text())
        except FileNotFoundError:
            return
        self.sending, self.doubtful = kept["sending"], set(kept["doubtful"])

    def _write(self) -> None:
        text = json.dumps({**self._about, "sending": self.sending, "doubtful": sorted(self.doubtful)})
        temporary = self._path.with_suffix(".new")
        temporary.write_text(text)
        os.replace(temporary, self._path)
