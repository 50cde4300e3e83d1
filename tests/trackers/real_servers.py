"""An environment with the packages of trackers, and a real MLflow server in it."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import requests

from e2e.gallery.environments import environment, install
from e2e.processes import free_port, wait_until


def trackers_environment() -> Path:
    """Return the folder of an environment with this package, MLflow's server and wandb, made if it is not there."""
    folder = environment("trackers")
    if not (folder / "trackers-installed").is_file():
        install(folder, "mlflow>=3", "wandb>=0.18")
        (folder / "trackers-installed").touch()
    return folder


@contextlib.contextmanager
def mlflow_server(folder: Path, port: int = 0) -> Iterator[tuple[str, Callable[[], None]]]:
    """Run an MLflow server on the database in `folder`; yield its URL, and a function that ends it."""
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            [
                *(trackers_environment() / "bin" / "mlflow", "server", "--port", str(port), "--workers", "1"),
                *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
                *("--artifacts-destination", str(folder / "artifacts")),
            ],
            stdout=log,
            stderr=log,
            cwd=folder,
            start_new_session=True,
        )
        url = f"http://127.0.0.1:{port}"

        def stop() -> None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)
            server.wait(60)

        try:
            wait_until(lambda: _answers(url), "MLflow answers", 300.0)
            yield url, stop
        finally:
            stop()


def _answers(url: str) -> bool:
    with contextlib.suppress(requests.RequestException):
        return requests.get(f"{url}/health", timeout=10).ok
    return False
