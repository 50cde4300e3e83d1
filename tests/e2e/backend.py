"""A backend of ours, started as its user starts it."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import requests

from .processes import Program, free_port, wait_until

_SCRIPT = Path(sys.executable).with_name("label-studio-ml")

#: The command, as installed beside the interpreter that runs the tests.
CLI: list[str] = (
    [str(_SCRIPT)]
    if _SCRIPT.is_file()
    else [sys.executable, "-c", "from label_studio_ml.cli.main import main; raise SystemExit(main())"]
)


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment without what would set a backend up, plus `extra`."""
    prefixes = (
        "LABEL_STUDIO_",
        "BASIC_AUTH_",
        "ML_SERVER_",
        "REDIS_",
        "MODEL_DIR",
        "LOG_LEVEL",
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    return kept | {"PYTHONUNBUFFERED": "1"} | dict(extra or {})


class Backend:
    """`label-studio-ml start FOLDER --port PORT` (or another `command`), which can be ended and started again.

    `prefix` is what starts it elsewhere: in a namespace where it has the address `host`. `cli` is the command of
    another environment.
    """

    def __init__(
        self,
        folder: Path,
        log: Path,
        *,
        arguments: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        port: int | None = None,
        host: str = "localhost",
        prefix: Sequence[str] = (),
        cli: Sequence[str] = CLI,
    ) -> None:
        self.folder = folder
        self.prefix = [*prefix, *cli]
        self.log = log
        self.port = port or free_port()
        self.url = f"http://{host}:{self.port}"
        self.arguments = [*(("--host", host) if prefix else ()), *arguments]
        self.command = "start"
        self.env = clean_environment(env)
        self.program: Program | None = None

    def start(self, deadline: float = 120.0) -> None:
        """Start it and wait until it answers /health, with whatever status."""
        command = [
            *self.prefix,
            self.command,
            self.folder.name,
            "--port",
            str(self.port),
            *self.arguments,
        ]
        self.program = Program(command, cwd=self.folder.parent, env=self.env, log=self.log)
        program = self.program

        def answers() -> bool:
            if not program.running:
                raise AssertionError(f"the backend ended:\n{program.output()[-4000:]}")
            try:
                return requests.get(f"{self.url}/health", timeout=2).status_code < 500
            except requests.RequestException:
                return False

        wait_until(answers, "the backend answers /health", deadline)

    def kill(self) -> None:
        """End all of it with SIGKILL."""
        assert self.program is not None
        self.program.kill()
        self.program = None

    def stop(self, with_signal: int = signal.SIGTERM) -> list[int]:
        """End it politely and return what it left running."""
        if self.program is None:
            return []
        left = self.program.stop(with_signal=with_signal)
        self.program = None
        return left

    def output(self) -> str:
        """Return all that its runs printed."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""
