"""Main module of a worker process. Its arguments are [--parent PID] [--embedded FOLDER].

With `--parent`, the worker belongs to the server with that process id and ends with it. The worker notices the end
because its standard input closes and its parent process changes. `--embedded FOLDER` means that the broker is the
server's own, with its data in FOLDER; a worker whose server has ended stops that broker, if no other server uses it.
"""

import argparse
import contextlib
import logging
import os
import select
import signal
import sys
import threading
import time

from label_studio_ml.config.settings import Settings
from label_studio_ml.monitoring import logs
from label_studio_ml.processes.orphans import adopt_orphans, kill_orphans
from label_studio_ml.processes.process_table import die_with_parent
from label_studio_ml.projects.jobs.prediction_worker import PredictionWorker
from label_studio_ml.runtime.shared_services import stop_orphaned_broker
from label_studio_ml.training.worker import rq_worker

logger = logging.getLogger(__name__)

#: Seconds between two checks whether the server still runs, if standard input stays open.
CHECK_INTERVAL = 1.0
#: Seconds that a worker has to end after its server and return its events; and seconds between two signals meanwhile.
ORPHAN_GRACE = 20.0
SIGNAL_INTERVAL = 1.0


class Parent:
    """The server that started this worker, with the process id `pid`."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._first_parent = os.getppid()

    def gone(self) -> bool:
        """Return whether the server has ended."""
        if os.getppid() != self._first_parent:
            return True
        try:
            os.kill(self._pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:  # it exists, and runs as another user
            pass
        return False


def main() -> int:
    """Run one worker until it is told to stop; return the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, default=0)
    parser.add_argument("--embedded", default="")
    args = parser.parse_args()
    rq_worker.stopping.install()
    adopt_orphans()
    parent = Parent(args.parent) if args.parent else None
    if parent is not None:
        die_with_parent(signal.SIGTERM)  # until the watchdog thread checks
        threading.Thread(target=_watch, args=(parent, args.embedded), daemon=True, name="watchdog").start()
    settings = Settings.from_env()
    logs.configure(settings.log_level, as_json=settings.log_json)
    kill_orphans()
    try:
        rq_worker.work(
            settings,
            PredictionWorker(settings),
            embedded=bool(args.embedded),
            reports_failures=parent is not None,
            abandoned=parent.gone if parent is not None else lambda: False,
        )
    finally:
        if parent is not None and parent.gone() and args.embedded:
            stop_orphaned_broker(args.embedded)
    return 0


def _watch(parent: Parent, embedded: str) -> None:
    """Wait for the server's end, then end this process: with SIGTERM, after ORPHAN_GRACE seconds with SIGKILL."""
    while not _closed(CHECK_INTERVAL) and not parent.gone():
        pass
    deadline = time.monotonic() + ORPHAN_GRACE
    while time.monotonic() < deadline:
        rq_worker.stopping.begin(0)
        os.kill(os.getpid(), signal.SIGTERM)  # repeated: an interrupted call may go on waiting
        time.sleep(SIGNAL_INTERVAL)
    logger.error("Worker %d has not ended within %.0f s after its server", os.getpid(), ORPHAN_GRACE)
    with contextlib.suppress(Exception):
        if embedded and parent.gone():
            stop_orphaned_broker(embedded)
    os.kill(os.getpid(), signal.SIGKILL)


def _closed(seconds: float) -> bool:
    """Wait up to `seconds` for the end of standard input; return whether it is closed."""
    try:
        return bool(select.select([0], [], [], seconds)[0]) and not os.read(0, 4096)
    except (OSError, ValueError):
        return True


if __name__ == "__main__":
    sys.exit(main())
