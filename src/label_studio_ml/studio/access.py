"""Access tokens shared by all processes of a user, so that one of them refreshes for all.

One file for each personal access token and Label Studio, named by a digest of both, readable by its owner only.
It holds the short-lived access token, never the personal one.
"""

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from label_studio_ml import file_locks
from label_studio_ml.studio.local import user_cache

#: Seconds that a process waits for another one that refreshes.
_PATIENCE = 30.0
_POLL = 0.02


def default_folder() -> Path:
    """Return where access tokens are shared: a folder that only its user can read."""
    return user_cache("access")


class AccessShelf:
    """The shared access token for one personal access token at one Label Studio.

    Where the folder cannot be written to, every process has its own.
    """

    def __init__(
        self, folder: Path, url: str, refresh: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        digest = hashlib.sha256(f"{url}\n{refresh}".encode()).hexdigest()
        self.path = folder / f"{digest[:32]}.json"
        self._clock = clock

    def get(self, refused: str, exchange: Callable[[], tuple[str, float]]) -> tuple[str, float]:
        """Return an access token and for how many seconds it is good.

        That is the shared one unless it is `refused` or at its end; else what `exchange` returns (called by one
        process at a time), which is shared then. Raises what `exchange` raises.
        """
        with self._locked() as file:
            if file is not None and (found := self._read(file, refused)):
                return found
            access, lives = exchange()
            if file is not None:
                self._write(file, access, lives)
            return access, lives

    def _read(self, file: IO[str], refused: str) -> tuple[str, float] | None:
        try:
            known: Any = json.load(file)
            access, made, lives = str(known["access"]), float(known["made"]), float(known["lives"])
        except (ValueError, KeyError, TypeError, OSError):
            return None
        now = self._clock()
        # A clock that was set back makes a token look as if it came from the future: it is not trusted.
        if not access or access == refused or not made <= now < made + lives:
            return None
        return access, made + lives - now

    def _write(self, file: IO[str], access: str, lives: float) -> None:
        with contextlib.suppress(OSError):
            file.seek(0)
            file.truncate()
            json.dump({"access": access, "made": self._clock(), "lives": lives}, file)
            file.flush()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[IO[str] | None]:
        """Lend the file to one process at a time; None where it cannot be had."""
        file = None
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = open(file_locks.open_private(self.path), "r+", encoding="utf-8")  # noqa: SIM115
            self._lock(file)
        except OSError:
            if file is not None:
                file.close()
            file = None
        try:
            yield file
        finally:
            if file is not None:
                file.close()

    @staticmethod
    def _lock(file: IO[str]) -> None:
        """Take the lock. Raises OSError when another process holds it for long."""
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                file_locks.try_lock(file)
            except BlockingIOError:
                if time.monotonic() > end:
                    raise
                time.sleep(_POLL)
            else:
                return
