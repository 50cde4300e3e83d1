"""How a process that serves through `init_app` ends: in order, and without a word."""

import signal
from collections.abc import Callable
from pathlib import Path

from e2e.processes import wait_until
from live import Live

from .gunicorn_server import start_gunicorn

WSGI = """
from label_studio_ml.api import init_app
from seed_model import Counter

app = init_app(model_class=Counter)
"""


def test_gunicorn_ends_broker_and_worker_without_a_word(make: Callable[..., Live]) -> None:
    live = make("seed_model")
    start_gunicorn(live, WSGI)
    live.setup(1)
    live.wait_for_broker()
    broker = live.broker()
    assert live.backend.stop(signal.SIGTERM) == []
    wait_until(lambda: not Path(f"/proc/{broker}").exists(), "the broker is gone")
    output = live.backend.output()
    assert "Traceback" not in output
    assert "cannot schedule" not in output + (live.folder / "logs" / "server.log").read_text()
