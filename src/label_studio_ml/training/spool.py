"""Events kept on this server's disk while Redis is away: one file each, handed over in order when it is back.

A file's name says when its event came and is its token: handed over twice, it counts once.
"""

import contextlib
import fcntl
import itertools
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from label_studio_ml.errors import BrokerError
from label_studio_ml.protocol import Event
from label_studio_ml.texts import plural

logger = logging.getLogger(__name__)

#: Seconds between two tries to hand over.
PAUSE = 0.5


class Spooled(msgspec.Struct, frozen=True):
    """One event with what `hand_in` was told of it, and the token that it was tried with, if it was."""

    event: Event
    trusted: bool
    train: bool
    token: str


class Spool:
    """The kept events in `folder`. Servers may share it; safe to use from several threads.

    `deliver` hands one event over, or raises BrokerError.
    """

    def __init__(self, folder: Path, deliver: Callable[[Spooled], object]) -> None:
        self._folder = folder
        self._deliver = deliver
        self._numbers = itertools.count()
        self._starting = threading.Lock()
        self._drainer: threading.Thread | None = None
        self._stop = threading.Event()
        #: How many events were kept since the start.
        self.kept = 0

    def keep(self, spooled: Spooled) -> None:
        """Write an event to the disk; it is safe when this returns. Raises BrokerError if the disk refuses."""
        name = f"{time.time_ns():020}-{next(self._numbers):06}-{secrets.token_hex(4)}"
        temporary = self._folder / f"{name}.tmp"
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(msgspec.json.encode(spooled))
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(self._folder / f"{name}.json")
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise BrokerError(
                f"Redis is away, and the event cannot be kept on the disk either: {error}",
                fix="Check MODEL_DIR, its rights and the disk",
            ) from error
        self.kept += 1
        self.start()

    def waiting(self) -> list[Path]:
        """Return the kept events' files, in the order in which they came."""
        try:
            return sorted(path for path in self._folder.iterdir() if path.suffix == ".json")
        except OSError:
            return []

    def start(self) -> None:
        """Hand over what waits, in a thread, until nothing is left."""
        with self._starting:
            if self._drainer is None and not self._stop.is_set():
                self._drainer = threading.Thread(target=self._drain, daemon=True, name="spool")
                self._drainer.start()

    def stop(self) -> None:
        """Stop handing over; what is left is there at the next start."""
        self._stop.set()
        drainer = self._drainer
        if drainer is not None:
            drainer.join(5.0)

    def _drain(self) -> None:
        said = ""
        while not self._stop.is_set():
            try:
                handed = self._hand_over()
            except (BrokerError, OSError) as error:
                if str(error) != said:
                    logger.warning("Events wait on this server's disk: %s", error)
                    said = str(error)
                self._stop.wait(PAUSE)
                continue
            if handed:
                logger.info("Handed over %s that had waited on this server's disk", plural(handed, "event"))
            with self._starting:
                if not self.waiting():
                    self._drainer = None
                    return

    def _hand_over(self) -> int:
        """Hand over what waits, unless another server is doing so; return how many it were. Raises BrokerError."""
        count = 0
        with self._alone() as alone:
            for path in self.waiting() if alone else []:
                try:
                    spooled = msgspec.json.decode(path.read_bytes(), type=Spooled)
                except FileNotFoundError:
                    continue
                except msgspec.MsgspecError as error:
                    logger.error("%s cannot be read and is set aside: %s", path, error)
                    path.rename(path.with_suffix(".bad"))
                    continue
                self._deliver(spooled)
                path.unlink(missing_ok=True)
                count += 1
                if self._stop.is_set():
                    break
        return count

    @contextlib.contextmanager
    def _alone(self) -> Iterator[bool]:
        """Hold the spool, so that one server at a time hands over and the order stays; yield whether it is ours."""
        with open(self._folder / "lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._stop.wait(PAUSE)
                yield False
            else:
                yield True
