"""Share access tokens between all processes of a user, so that one process refreshes for all.

There is one file for each pair of personal access token and Label Studio, named by a digest of both and readable by
its owner only. The file holds the short-lived access token, never the personal one.
"""

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from label_studio_ml.storage import file_locks
from label_studio_ml.studio.addresses.local_files import user_cache

#: Seconds that a process waits for the file's lock while another process refreshes the token.
_LOCK_TIMEOUT = 30.0


def default_folder() -> Path:
    """Return the default folder of shared access tokens, in the user's cache. It is created with mode 0700."""
    return user_cache("access")


class TokenCache:
    """The file with the shared access token for the personal access token `refresh` at the Label Studio `url`.

    If the folder cannot be written to, each process fetches an access token of its own.
    """

    def __init__(
        self, folder: Path, url: str, refresh: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        digest = hashlib.sha256(f"{url}\n{refresh}".encode()).hexdigest()
        self.path = folder / f"{digest[:32]}.json"
        self._clock = clock

    def get(self, refused: str, exchange: Callable[[], tuple[str, float]]) -> tuple[str, float]:
        """Return an access token and the seconds for which it may still be used.

        The shared token is returned unless it has expired or equals `refused`. Otherwise `exchange` is called, by one
        process at a time, and its token is stored for the others. Raises what `exchange` raises.
        """
        with self._locked() as file:
            if file is not None and (shared := self._read(file, refused)):
                return shared
            access, lifetime = exchange()
            if file is not None:
                self._write(file, access, lifetime)
            return access, lifetime

    def _read(self, file: IO[str], refused: str) -> tuple[str, float] | None:
        try:
            stored: Any = json.load(file)
            access, issued, lifetime = str(stored["access"]), float(stored["made"]), float(stored["lives"])
        except (ValueError, KeyError, TypeError, OSError):
            return None
        now = self._clock()
        # If the clock was set back, the token seems to be made in the future; its age is unknown then.
        if not access or access == refused or not issued <= now < issued + lifetime:
            return None
        return access, issued + lifetime - now

    def _write(self, file: IO[str], access: str, lifetime: float) -> None:
        with contextlib.suppress(OSError):
            file.seek(0)
            file.truncate()
            json.dump({"access": access, "made": self._clock(), "lives": lifetime}, file)
            file.flush()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[IO[str] | None]:
        """Open and lock the file for the `with` block; give None if it cannot be opened or locked."""
        file = None
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = open(file_locks.open_private(self.path), "r+", encoding="utf-8")  # noqa: SIM115
            file_locks.lock_within(file, _LOCK_TIMEOUT)
        except OSError:
            if file is not None:
                file.close()
            file = None
        try:
            yield file
        finally:
            if file is not None:
                file.close()
