"""A backend's folder served by gunicorn, as the Dockerfiles of older releases do."""

import sys
from pathlib import Path

import requests

from e2e.processes import Program, wait_until
from live import Live


def start_gunicorn(live: Live, wsgi: str, *options: str, workers: int = 1, threads: int = 8) -> None:
    """Write `wsgi` as `_wsgi.py` and serve its `app`; return when it answers /health."""
    (live.folder / "_wsgi.py").write_text(wsgi)
    bind = ["--bind", f"127.0.0.1:{live.backend.port}", "--timeout", "0"]
    number = ["--workers", str(workers), "--threads", str(threads)]
    start_program(live, [sys.executable, "-m", "gunicorn", *options, *bind, *number, "_wsgi:app"])


def start_program(live: Live, command: list[str | Path]) -> None:
    """Start what serves the backend, in its folder; return when it answers /health."""
    live.backend.program = Program(command, cwd=live.folder, env=live.backend.env, log=live.backend.log)

    def up() -> bool:
        assert live.backend.program is not None
        assert live.backend.program.running, live.backend.program.output()
        try:
            return requests.get(f"{live.backend.url}/health", timeout=90).ok
        except requests.ConnectionError:
            return False

    wait_until(up, "it serves")
