"""Read the number of request threads from the WSGI server that runs this process."""

import sys
from types import FrameType
from typing import Any

from label_studio_ml.support.texts import whole_number


def request_threads() -> int | None:
    """Return how many requests the server answers at a time in this process; None if that is unknown or 1.

    Call this while a request is answered: gunicorn's worker is found in the call stack. uWSGI and mod_wsgi tell theirs
    in modules that only their own interpreters have.
    """
    number = (
        _of_gunicorn() or _of_uwsgi() or getattr(sys.modules.get("mod_wsgi"), "threads_per_process", None)
    )
    return number if isinstance(number, int) and number > 1 else None


def _of_gunicorn() -> int | None:
    base = sys.modules.get("gunicorn.workers.base")
    frame: FrameType | None = sys._getframe(1)
    while base is not None and frame is not None:
        caller = frame.f_locals.get("self")
        if isinstance(caller, base.Worker):
            threaded = getattr(sys.modules.get("gunicorn.workers.gthread"), "ThreadWorker", None)
            return int(caller.cfg.threads) if threaded and isinstance(caller, threaded) else None
        frame = frame.f_back
    return None


def _of_uwsgi() -> int | None:
    options: Any = getattr(sys.modules.get("uwsgi"), "opt", {})
    value = options.get("threads") or options.get(b"threads") or b""
    text = value.decode() if isinstance(value, bytes) else str(value)
    return whole_number(text)
