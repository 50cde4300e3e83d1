"""The worker's process. Its arguments are [--watch-stdin] [--embedded FOLDER].

With `--watch-stdin` it ends when standard input closes, which it does when the server that started it is gone;
`--embedded FOLDER` then also stops the embedded broker with its data in FOLDER, if no other server uses it.
"""

import argparse
import contextlib
import os
import signal
import sys
import threading

from label_studio_ml import logs
from label_studio_ml.projects.beside import Beside
from label_studio_ml.runtime.companion import stop_orphaned_broker
from label_studio_ml.settings import Settings
from label_studio_ml.training import worker


def main() -> int:
    """Run one worker until it is told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--watch-stdin", action="store_true")
    parser.add_argument("--embedded", default="")
    args = parser.parse_args()
    settings = Settings.from_env()
    logs.configure(settings.log_level, as_json=settings.log_json)
    orphaned = threading.Event()
    if args.watch_stdin:
        threading.Thread(target=_watch, args=(orphaned,), daemon=True, name="watchdog").start()
    try:
        worker.work(settings, Beside(settings), embedded=bool(args.embedded), tells=args.watch_stdin)
    finally:
        if orphaned.is_set() and args.embedded:
            stop_orphaned_broker(args.embedded)
    return 0


def _watch(orphaned: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    orphaned.set()
    worker.tell_to_stop(0)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
