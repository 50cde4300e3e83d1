"""Keep the broker and the workers of a server running, from one thread.

Several servers may share a model folder, such as the workers of gunicorn. The process that holds the folder's lock
(the owner) runs broker and workers, the others (guests) use them, and a guest takes over when the owner ends.
"""

import logging
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import IO

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BackendError, BrokerError
from label_studio_ml.runtime.broker import Broker, full_disk_error, has_no_space, running_url, start_error
from label_studio_ml.runtime.foreign_workers import ForeignWorkers
from label_studio_ml.runtime.worker_processes import Workers
from label_studio_ml.storage import file_locks
from label_studio_ml.storage.disk_errors import is_full
from label_studio_ml.storage.private_files import make_folder

logger = logging.getLogger(__name__)

#: Seconds between two checks of broker, workers and lock.
CHECK_INTERVAL = 0.25


class SharedServices:
    """Broker and workers for one server. `start` returns at once; `url` waits for the broker."""

    def __init__(self, settings: Settings, *, worker_delay: float = 1.0, workers: bool = True) -> None:
        """Prepare the services for `start`. Without `workers`, `url` only returns the settings' `redis_url`."""
        self._settings = settings
        self._folder = settings.model_dir / "broker"
        self._is_disabled = not workers
        self._workers = Workers(settings, settings.workers, delay=worker_delay)
        self._broker: Broker | None = None
        self._lock_file: IO[str] | None = None
        self._foreign: ForeignWorkers | None = None
        self._url = ""
        self._error: BackendError | None = None
        self._ready = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread that keeps broker and workers running."""
        if self._is_disabled:
            self._publish_url(self._settings.redis_url)
            return
        self._thread = threading.Thread(target=self._run, daemon=True, name="shared services")
        self._thread.start()

    @property
    def owner(self) -> bool:
        """Whether this process runs broker and workers."""
        return self._lock_file is not None

    def url(self, timeout: float) -> str:
        """Return the broker's URL, waiting for it up to `timeout` seconds, or until the disk turns out to be full.

        Raises BackendError: the last error of the thread, or a BrokerError.
        """
        deadline = time.monotonic() + timeout
        while not self._ready.wait(max(0.0, min(CHECK_INTERVAL, deadline - time.monotonic()))):
            error = self._error
            if time.monotonic() >= deadline or (error is not None and is_full(error)):
                raise error or BrokerError("The broker is not up yet", fix="See logs/server.log")
        return self._url

    def skip_grace(self) -> None:
        """Make `stop` end a running training without its grace period, because a user waits at a terminal."""
        self._workers.skip_grace()

    def stop(self) -> None:
        """Stop workers and broker if this process owns them. Waiting events stay on the disk for the next start."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        """Keep broker and workers running until `stop`, then end them in this thread.

        The kernel ends the broker with the thread that started it, and stopping workers still need the broker.
        """
        try:
            self._check_forever()
        finally:
            self._workers.stop()
            if self._broker is not None:
                self._broker.stop()
            if self._lock_file is not None:
                self._lock_file.close()

    def _check_forever(self) -> None:
        while not self._stop.is_set():
            try:
                self._check()
                self._error = None
            except (BackendError, OSError) as error:
                if self._stop.is_set():  # `stop` has interrupted the start of the broker
                    return
                if isinstance(error, OSError):
                    error = start_error("Broker or worker", error, self._folder)
                if str(error) != str(self._error):
                    logger.error("Background training is not available: %s", error)
                self._error = error
                self._stop.wait(2.0)
            except Exception:  # nothing else would restart broker and workers
                logger.exception("The check of broker and workers failed")
                self._stop.wait(2.0)
            self._stop.wait(CHECK_INTERVAL if self._ready.is_set() else 0.05)

    def _check(self) -> None:
        """Check lock, broker and workers once, and start what does not run."""
        if self._lock_file is None and not self._try_lock():
            self._use_owners_broker()
            return
        if self._settings.redis_url:
            self._publish_url(self._settings.redis_url)
        else:
            self._keep_broker()
        embedded = [] if self._settings.redis_url else ["--embedded", str(self._folder.absolute())]
        self._workers.tick(replace(self._settings, redis_url=self._url), embedded)

    def _keep_broker(self) -> None:
        """Start the broker if it does not run, and end workers of earlier servers that use it."""
        if self._foreign is None:
            self._foreign = ForeignWorkers(self._folder)
        self._foreign.tick()
        if self._broker is None or not self._broker.alive():
            if self._broker is not None:
                logger.error("The embedded broker ended (%s); it is started again", self._broker.end_reason())
                self._ready.clear()
            self._broker = Broker(self._folder, self._stop)
            self._publish_url(self._broker.start())
        elif not self._ready.is_set():  # it is slow to start, or its address could not be written
            self._publish_url(self._broker.wait_until_ready())

    def _try_lock(self) -> bool:
        make_folder(self._folder)
        try:
            self._lock_file = file_locks.open_locked(self._folder / "owner.lock")
        except BlockingIOError:
            return False
        return True

    def _use_owners_broker(self) -> None:
        """Use the broker of the owner. Raises BrokerError if the disk is full."""
        if self._settings.redis_url:
            self._publish_url(self._settings.redis_url)
        elif not self._ready.is_set():
            if url := running_url(self._folder):
                self._publish_url(url)
            elif has_no_space(self._folder):
                raise full_disk_error(self._folder)

    def _publish_url(self, url: str) -> None:
        self._url = url
        self._error = None
        self._ready.set()


def stop_orphaned_broker(folder: str) -> None:
    """Stop the broker with its data in `folder`, unless a server holds the folder's lock."""
    try:
        with file_locks.open_locked(Path(folder, "owner.lock")):
            broker = Broker(Path(folder))
            broker.url = running_url(Path(folder))
            broker.stop()
    except OSError:
        return
