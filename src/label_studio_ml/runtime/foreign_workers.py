"""End workers of an earlier server that still use this server's embedded broker. Linux only.

A worker ends with its server by itself (`runtime.worker_main`). One that did not would take trainings from the queue,
and abort each. On other systems, a worker that notices the end of its server takes no further trainings.
"""

import logging
import os
import signal
import time
from pathlib import Path

from label_studio_ml.processes.process_table import Process, all_processes

logger = logging.getLogger(__name__)

#: Seconds that such a worker has to return its events before it is killed.
GRACE = 15.0

#: The module of a worker's program, and its name in the release before: a worker of that may survive an upgrade.
_MODULES = frozenset({"label_studio_ml.runtime.worker_main", "label_studio_ml.runtime.worker"})


class ForeignWorkers:
    """Workers on the broker in `folder` that this process has not started. Use only while holding the folder's lock."""

    def __init__(self, folder: Path) -> None:
        """Find the workers, and send them SIGTERM."""
        self._deadline = time.monotonic() + GRACE
        self._running = [process for process in all_processes() if _is_foreign(process, str(folder))]
        for process in self._running:
            logger.warning("Worker %d of an earlier server still runs: it is told to end", process.pid)
            process.send(signal.SIGTERM)

    def tick(self) -> None:
        """Kill workers that are still running GRACE seconds after SIGTERM."""
        if not self._running:
            return
        self._running = [process for process in self._running if process.runs()]
        if time.monotonic() > self._deadline:
            for process in self._running:
                logger.warning("Worker %d of an earlier server did not end: it is killed", process.pid)
                process.send(signal.SIGKILL)
            self._running = []


def _is_foreign(process: Process, folder: str) -> bool:
    if process.zombie or process.parent == os.getpid():
        return False
    arguments = process.arguments()
    if _MODULES.isdisjoint(arguments) or "--embedded" not in arguments:
        return False
    folders = arguments[arguments.index("--embedded") + 1 :]
    return bool(folders) and process.in_our_namespace() and process.resolves_to_folder(folders[0], folder)
