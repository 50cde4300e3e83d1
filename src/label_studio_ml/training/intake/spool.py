"""The spool: events on the server's disk while Redis is unavailable, one file each, which are delivered in order later.

The name of a file starts with the time of the event. The token in the file makes an event that is delivered twice count
once.
"""

import contextlib
import itertools
import logging
import math
import os
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from label_studio_ml.config.settings import DEFAULT_SPOOL_EVENTS, DEFAULT_SPOOL_MB
from label_studio_ml.errors import BackendError, BrokerError
from label_studio_ml.storage import file_locks
from label_studio_ml.storage.disk_errors import disk_fix
from label_studio_ml.storage.folder_problems import folder_problem
from label_studio_ml.storage.private_files import make_folder
from label_studio_ml.storage.small_files import DamagedFile, read_json
from label_studio_ml.support.texts import plural
from label_studio_ml.training.intake.spool_capacity import (
    FOLDER_UNUSABLE,
    UNTRUSTED_SUFFIX,
    SpoolCapacity,
    Spooled,
)

logger = logging.getLogger(__name__)

#: Seconds that `keep` waits for the disk, number of files that are flushed at once, and of files open for flushing.
FLUSH_TIMEOUT, FLUSH_THREADS, MAX_FLUSHING = 0.05, 4, 32
#: Seconds between two tries to deliver events, and between two checks for an event that is being written.
RETRY_INTERVAL, WRITE_CHECK_INTERVAL = 0.5, 0.01
#: Seconds between two listings of the folder while no event can be delivered.
RECOUNT_INTERVAL = 5.0
#: Number of tries to read an event's file before the events behind it are delivered first.
MAX_READ_TRIES = 3


class Spool:
    """The spool in `folder`, which several servers may share. Safe to use from several threads.

    `deliver` delivers one event. If it raises BackendError or OSError, the event is tried again later; after another
    exception the event's file is set aside with the suffix `.bad`, and the next event is delivered. A file that the
    system refuses to read stays, and is tried again; after MAX_READ_TRIES tries, the events behind it are delivered
    first.
    """

    def __init__(
        self,
        folder: Path,
        deliver: Callable[[Spooled], object],
        *,
        events: int = DEFAULT_SPOOL_EVENTS,
        max_bytes: int = DEFAULT_SPOOL_MB << 20,
    ) -> None:
        self._folder = folder
        #: Number and size of the events in the spool, and its limits.
        self.capacity = SpoolCapacity(folder, events, max_bytes)
        self._deliver = deliver
        self._numbers = itertools.count()
        self._starting = threading.Lock()
        self._drainer: threading.Thread | None = None
        self._reserved: set[str] = set()
        self._own_names: set[str] = set()
        self._queue: deque[str] = deque()
        self._read_failures: Counter[str] = Counter()
        self._other_server_until = self._recounted = -math.inf
        self._last_time = 0
        self._threads = ThreadPoolExecutor(FLUSH_THREADS, "flush")
        self._flushing = threading.BoundedSemaphore(MAX_FLUSHING)
        self._stop = threading.Event()
        #: The number of events written since the start.
        self.kept = 0

    def reserve(self) -> str:
        """Return a name for an event, to be passed to `keep`. Until then, the spool counts as not empty."""
        with self._starting:
            self._last_time = max(
                self._last_time + 1, time.time_ns()
            )  # keeps the order if the clock is set back
            name = f"{self._last_time:020}-{next(self._numbers):06}-{secrets.token_hex(4)}"
            self._reserved.add(name)
        return name

    def empty(self) -> bool:
        """Tell whether the spool has no events, neither written nor reserved ones.

        After another server's file was found, the result is False for RETRY_INTERVAL seconds.
        """
        with self._starting:
            if self._reserved or self._own_names:
                return False
        now = time.monotonic()
        if now < self._other_server_until:
            return False
        if (
            self._has_events()
        ):  # another server's event: the folder is not listed again for RETRY_INTERVAL seconds
            self._other_server_until = now + RETRY_INTERVAL
            return False
        return True

    @property
    def problem(self) -> str:
        """Why the spool takes no more events (it is full, or its folder is not writable), empty if it does."""
        if full := self.capacity.problem:
            return full
        problem = folder_problem(self._folder, write=True)
        return f"{FOLDER_UNUSABLE}: {problem.message}. {problem.fix}" if problem else ""

    def _has_events(self) -> bool:
        """Tell whether the folder has a file of an event; False if the folder cannot be read."""
        try:
            with os.scandir(self._folder) as entries:
                return any(entry.name.endswith(".json") for entry in entries)
        except OSError:
            return False

    def keep(self, spooled: Spooled, name: str | None = None) -> None:
        """Write an event to the disk under a name from `reserve`, or under a new name for None.

        When this returns, the event survives the end of this process and will be delivered. An event without login is
        not written if the spool has one with the same content. Raises BrokerError if the disk refuses, and SpoolFull if
        the spool is full; then the event is not delivered.
        """
        reserved_name = name = name or self.reserve()
        try:
            admitted = self.capacity.admit(spooled, name)
            if admitted is None:
                return
            _, name, content = admitted
            try:
                self._write(content, name)
            except BaseException:
                self.capacity.remove(name)
                raise
            self.capacity.written(name)
            with self._starting:
                self._own_names.add(name)
        finally:
            with self._starting:
                self._reserved.discard(reserved_name)
        self.kept += 1
        self.start()

    def _write(self, content: bytes, name: str) -> None:
        """Write an event's file under a temporary name, and rename it; from then on the event can be delivered.

        Raises BrokerError if the disk refuses, and leaves no file then. An error after the rename is only logged: the
        event is delivered unless the machine stops before.
        """
        temporary, path = self._folder / f"{name}.tmp", self._folder / f"{name}.json"
        deadline = time.monotonic() + FLUSH_TIMEOUT
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
                f"Redis is unavailable, and the event cannot be kept on the disk either: {error}",
                fix=disk_fix(error, self._folder),
            ) from error
        with contextlib.suppress(OSError):  # `_flush` has logged an error of fsync
            self._flush(os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY), deadline)

    def _flush(self, descriptor: int, deadline: float) -> None:
        """Flush a file or folder to the disk, wait until `deadline` at most, and close `descriptor`.

        A busy disk is not awaited for longer, because Label Studio sends an event once, whatever the answer is, and the
        annotator waits for it. A file that is not flushed survives the end of this process, not that of the machine.
        If MAX_FLUSHING files are being flushed already, the file is left to the operating system: with too many open
        files, the process could keep no event at all. Raises OSError if the disk refuses before the deadline.
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
        """The number of events in the spool; those of other servers are counted every RECOUNT_INTERVAL seconds."""
        if self._drainer is None and time.monotonic() - self._recounted >= RECOUNT_INTERVAL:
            self._recount()
        return self.capacity.events

    def _recount(self) -> list[str]:
        """List the folder and update the counts; return the names of the events to deliver, in order of their arrival.

        Events that came after one that is still being written are left out, so that a project's events stay in order.
        """
        self._recounted = time.monotonic()
        with self._starting:
            reserved = set(self._reserved)
            counted = self.capacity.written_names(reserved)
        first_reserved = min(reserved, default="~")
        return [
            name
            for name in self.capacity.recount(counted)
            if name.removesuffix(UNTRUSTED_SUFFIX) < first_reserved
        ]

    def waiting(self) -> list[Path]:
        """Return the paths of the events' files in order of their arrival; none if the folder is unreadable."""
        try:
            return sorted(path for path in self._folder.iterdir() if path.suffix == ".json")
        except OSError:
            return []

    def start(self) -> None:
        """Start the thread that delivers events until none is left, unless it is running."""
        with self._starting:
            if self._drainer is None and not self._stop.is_set():
                self._drainer = threading.Thread(target=self._drain, daemon=True, name="spool")
                self._drainer.start()

    def stop(self) -> None:
        """Stop the delivery, and wait up to 5 s for its thread. The files of the remaining events stay."""
        self._stop.set()
        drainer = self._drainer
        if drainer is not None:
            drainer.join(5.0)

    def _drain(self) -> None:
        logged = ""
        while not self._stop.is_set():
            try:
                delivered = self._deliver_all()
            except Exception as error:  # nothing else would deliver the events
                if str(error) != logged:
                    is_expected = isinstance(error, BackendError | OSError)
                    traceback = None if is_expected else error
                    logger.warning("Events wait on this server's disk: %s", error, exc_info=traceback)
                    logged = str(error)
                if time.monotonic() - self._recounted >= RECOUNT_INTERVAL:
                    self._recount()
                self._stop.wait(RETRY_INTERVAL)
                continue
            if delivered:
                logger.info(
                    "Stored %s in Redis that had waited on this server's disk", plural(delivered, "event")
                )
            else:
                self._stop.wait(WRITE_CHECK_INTERVAL)
            with self._starting:
                if not self._queue and not self._reserved and not self._has_events():
                    self.capacity.recount(self.capacity.written_names(set()))
                    self._own_names.clear()
                    self._drainer = None
                    return

    def _deliver_all(self) -> int:
        """Deliver the events in order, and return their number; 0 if another server delivers at the moment.

        Raises BackendError and OSError if an event cannot be delivered now: it and the later ones stay. Raises OSError
        also if only events are left that cannot be read.
        """
        count = 0
        refusal: OSError | None = None
        with self._delivery_lock() as is_locked:
            if is_locked and not self._queue:
                self._queue.extend(self._recount())
            while is_locked and self._queue and not self._stop.is_set():
                name = self._queue[0]
                try:
                    spooled = self._read(name)
                except OSError as error:
                    self._count_read_failure(name, error)
                    refusal = error
                    self._queue.popleft()
                    continue
                if spooled is not None:
                    count += self._deliver_event(name, spooled)
                self._queue.popleft()
                self.capacity.remove(name)
                with self._starting:
                    self._own_names.discard(name)
        if refusal is not None and not count:
            raise refusal
        return count

    def _count_read_failure(self, name: str, error: OSError) -> None:
        """Count a refusal to read an event's file. Raises `error` if the event is not to be passed over yet."""
        self._read_failures[name] += 1
        if self._read_failures[name] < MAX_READ_TRIES:
            raise error
        if self._read_failures[name] == MAX_READ_TRIES:
            logger.error("An event cannot be read, and the events after it are delivered first: %s", error)

    def _read(self, name: str) -> Spooled | None:
        """Return an event; None if another server has delivered it, or if it is damaged and was set aside.

        Raises OSError if the file cannot be read or set aside.
        """
        path = self._folder / f"{name}.json"
        try:
            spooled = read_json(path, Spooled)
        except DamagedFile as error:
            logger.error("%s cannot be read and is set aside: %s", path, error)
            path.rename(path.with_suffix(".bad"))
            return None
        self._read_failures.pop(name, None)
        return spooled

    def _deliver_event(self, name: str, spooled: Spooled) -> int:
        """Deliver one event; return 1, or 0 if it was set aside.

        Raises BackendError and OSError if it cannot be delivered now.
        """
        path = self._folder / f"{name}.json"
        self.capacity.begin(name)
        try:
            self._deliver(spooled)
        except (BackendError, OSError):
            raise
        except Exception:
            logger.exception("The event in %s cannot be delivered and is set aside", path)
            path.rename(path.with_suffix(".bad"))
            return 0
        path.unlink(missing_ok=True)
        return 1

    @contextlib.contextmanager
    def _delivery_lock(self) -> Iterator[bool]:
        """Lock the spool, so that only one server delivers and the order stays; yield whether the lock was free.

        If it was not, this waits for RETRY_INTERVAL seconds first.
        """
        try:
            lock = file_locks.open_locked(self._folder / "lock")
        except BlockingIOError:
            self._stop.wait(RETRY_INTERVAL)
            yield False
        else:
            with lock:
                yield True


def _flush(descriptor: int, folder: Path) -> None:
    """Flush a file or folder to the disk, and close `descriptor`. Logs and raises OSError."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        logger.error("An event in %s is not on the disk: %s", folder, error)
        raise
    finally:
        os.close(descriptor)
