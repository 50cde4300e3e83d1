"""Events kept on this server's disk while Redis is away: one file each, handed over in order when it is back.

A file's name says when its event came; the token in it lets an event that is handed over twice count once.
"""

import contextlib
import itertools
import logging
import math
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from label_studio_ml import file_locks
from label_studio_ml.disk_errors import disk_fix
from label_studio_ml.errors import BackendError, BrokerError
from label_studio_ml.folder_problems import folder_problem
from label_studio_ml.private_files import make_folder
from label_studio_ml.settings import DEFAULT_SPOOL_EVENTS, DEFAULT_SPOOL_MB
from label_studio_ml.small_files import DamagedFile, read_json
from label_studio_ml.texts import plural
from label_studio_ml.training.spool_room import STRANGE, UNUSABLE, Spooled, SpoolRoom

logger = logging.getLogger(__name__)

#: Seconds that an event's writer waits for the disk, files that are flushed at once, and files that are open for it.
FLUSH, FLUSHES, OPEN = 0.05, 4, 32
#: Seconds between two tries to hand over, and between two looks for an event that is being written.
PAUSE, WRITING = 0.5, 0.01
#: Seconds between two looks at the whole folder while nothing can be handed over.
RECOUNT = 5.0


class Spool:
    """The kept events in `folder`. Servers may share it; safe to use from several threads.

    `deliver` hands one event over. A BackendError that it raises means that the event is to be handed over later; any
    other exception sets the event aside, so that those behind it are handed over all the same.
    """

    def __init__(
        self,
        folder: Path,
        deliver: Callable[[Spooled], object],
        *,
        events: int = DEFAULT_SPOOL_EVENTS,
        most_bytes: int = DEFAULT_SPOOL_MB << 20,
    ) -> None:
        self._folder = folder
        #: How much it holds, and how much more it takes.
        self.room = SpoolRoom(folder, events, most_bytes)
        self._deliver = deliver
        self._numbers = itertools.count()
        self._starting = threading.Lock()
        self._drainer: threading.Thread | None = None
        self._coming: set[str] = set()
        self._mine: set[str] = set()
        self._queue: deque[str] = deque()
        self._others_until = self._recounted = -math.inf
        self._last = 0
        self._threads = ThreadPoolExecutor(FLUSHES, "flush")
        self._flushing = threading.BoundedSemaphore(OPEN)
        self._stop = threading.Event()
        #: How many events were kept since the start.
        self.kept = 0

    def reserve(self) -> str:
        """Return the name under which an event is to be kept: from now on the spool is not empty."""
        with self._starting:
            self._last = max(self._last + 1, time.time_ns())  # a clock that is set back changes no order
            name = f"{self._last:020}-{next(self._numbers):06}-{secrets.token_hex(4)}"
            self._coming.add(name)
        return name

    def empty(self) -> bool:
        """Tell whether no event is kept, nor about to be."""
        with self._starting:
            if self._coming or self._mine:
                return False
        now = time.monotonic()
        if now < self._others_until:
            return False
        if self._any():  # of another server: for a while, it is not looked again
            self._others_until = now + PAUSE
            return False
        return True

    @property
    def problem(self) -> str:
        """Why no further event is kept, empty if one is: it is full, or its folder cannot be written to."""
        if full := self.room.problem:
            return full
        problem = folder_problem(self._folder, write=True)
        return f"{UNUSABLE}: {problem.what}. {problem.fix}" if problem else ""

    def _any(self) -> bool:
        """Tell whether an event's file is in the folder."""
        try:
            with os.scandir(self._folder) as found:
                return any(entry.name.endswith(".json") for entry in found)
        except OSError:
            return False

    def keep(self, spooled: Spooled, name: str | None = None) -> None:
        """Write an event to the disk, under a name that was reserved.

        When this returns, the event outlives this process and is handed over once; one without login is not written
        if one that waits says the same. Raises BrokerError if the disk refuses, and SpoolFull if there is no room; then
        it is not handed over at all.
        """
        reserved = name = name or self.reserve()
        try:
            admitted = self.room.admit(spooled, name)
            if admitted is None:
                return
            _, name, content = admitted
            try:
                self._write(content, name)
            except BaseException:
                self.room.remove(name)
                raise
            self.room.written(name)
            with self._starting:
                self._mine.add(name)
        finally:
            with self._starting:
                self._coming.discard(reserved)
        self.kept += 1
        self.start()

    def _write(self, content: bytes, name: str) -> None:
        """Write an event's file, which the event is handed over from as soon as it has its name.

        Where this raises BrokerError there is no such file. An error of the disk after that changes nothing: the event
        is handed over, unless the machine ends before.
        """
        temporary, path = self._folder / f"{name}.tmp", self._folder / f"{name}.json"
        deadline = time.monotonic() + FLUSH
        try:
            make_folder(self._folder)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with open(descriptor, "wb", closefd=False) as file:
                    file.write(content)
                self._flush(os.dup(descriptor), deadline)
            finally:
                os.close(descriptor)
            temporary.rename(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise BrokerError(
                f"Redis is away, and the event cannot be kept on the disk either: {error}",
                fix=disk_fix(error, self._folder),
            ) from error
        with contextlib.suppress(OSError):  # it is in the log
            self._flush(os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY), deadline)

    def _flush(self, descriptor: int, deadline: float) -> None:
        """Have the system write a file or folder to the disk, waiting until `deadline` for it; closes `descriptor`.

        A disk that is busy for longer is not waited for: Label Studio sends an event once, whatever is answered and
        when, and the annotator waits. The end of this process loses nothing of it, only that of the machine. Where
        many files wait for the disk already, this one is left to the system, which writes it in its own time: a process
        with too many open files could keep no event at all.
        Raises OSError if the disk refuses before that.
        """
        if not self._flushing.acquire(timeout=max(0.0, deadline - time.monotonic())):
            os.close(descriptor)
            return
        try:
            flushing = self._threads.submit(_flush, descriptor, self._folder)
        except RuntimeError:  # the interpreter is ending
            self._flushing.release()
            os.close(descriptor)
            return
        flushing.add_done_callback(lambda _: self._flushing.release())
        if wait([flushing], max(0.0, deadline - time.monotonic())).done:
            flushing.result()

    @property
    def events(self) -> int:
        """How many events are kept, as far as this server knows."""
        if self._drainer is None and time.monotonic() - self._recounted >= RECOUNT:
            self._recount()
        return self.room.events

    def _recount(self) -> list[str]:
        """Look which events are kept; return those that may be handed over, in the order in which they came.

        Events behind one that is still being written wait for it, so that a project's stay in order.
        """
        self._recounted = time.monotonic()
        with self._starting:
            coming = set(self._coming)
            before = self.room.written_names(coming)
        first = min(coming, default="~")
        return [name for name in self.room.recount(before) if name.removesuffix(STRANGE) < first]

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
            except (BackendError, OSError) as error:
                if str(error) != said:
                    logger.warning("Events wait on this server's disk: %s", error)
                    said = str(error)
                if time.monotonic() - self._recounted >= RECOUNT:
                    self._recount()
                self._stop.wait(PAUSE)
                continue
            if handed:
                logger.info("Handed over %s that had waited on this server's disk", plural(handed, "event"))
            else:
                self._stop.wait(WRITING)
            with self._starting:
                if not self._queue and not self._coming and not self._any():
                    self.room.recount(self.room.written_names(set()))
                    self._mine.clear()
                    self._drainer = None
                    return

    def _hand_over(self) -> int:
        """Hand over what waits, unless another server is doing so; return how many it were.

        Raises BackendError and OSError.
        """
        count = 0
        with self._alone() as alone:
            if alone and not self._queue:
                self._queue.extend(self._recount())
            while alone and self._queue and not self._stop.is_set():
                name = self._queue[0]
                count += self._hand_over_one(name)
                self._queue.popleft()
                self.room.remove(name)
                with self._starting:
                    self._mine.discard(name)
        return count

    def _hand_over_one(self, name: str) -> int:
        """Hand over the event called `name`; return 1, or 0 if another server has done so or it was set aside.

        Raises BackendError and OSError.
        """
        path = self._folder / f"{name}.json"
        try:
            spooled = read_json(path, Spooled)
        except DamagedFile as error:
            logger.error("%s cannot be read and is set aside: %s", path, error)
            path.rename(path.with_suffix(".bad"))
            return 0
        if spooled is None:
            return 0
        self.room.begin(name)
        try:
            self._deliver(spooled)
        except (BackendError, OSError):
            raise
        except Exception:
            logger.exception("The event in %s cannot be handed over and is set aside", path)
            path.rename(path.with_suffix(".bad"))
            return 0
        path.unlink(missing_ok=True)
        return 1

    @contextlib.contextmanager
    def _alone(self) -> Iterator[bool]:
        """Hold the spool, so that one server at a time hands over and the order stays; yield whether it is ours."""
        with open(self._folder / "lock", "w") as lock:
            try:
                file_locks.try_lock(lock)
            except BlockingIOError:
                self._stop.wait(PAUSE)
                yield False
            else:
                yield True


def _flush(descriptor: int, folder: Path) -> None:
    """Have the system write what `descriptor` names to the disk, and close it. Raises OSError, which it logs."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        logger.error("An event in %s is not on the disk: %s", folder, error)
        raise
    finally:
        os.close(descriptor)
