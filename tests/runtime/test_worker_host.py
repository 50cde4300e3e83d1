"""`label-studio-ml worker` on a machine that has no server."""

import os
import stat
from collections.abc import Callable

import pytest

from e2e.backend import CLI
from e2e.processes import Program, wait_until
from live import Live


@pytest.mark.skipif(os.name != "posix", reason="there are no such rights")
def test_workers_alone_close_what_earlier_releases_left_open(make: Callable[..., Live]) -> None:
    live = make(env={"REDIS_URL": "redis://localhost:1"})  # away: they wait for it
    logs, state = live.folder / "logs", live.model_dir / "state.db"
    logs.mkdir(mode=0o755)
    live.model_dir.mkdir()
    state.touch(0o644)
    command = [*CLI, "worker", live.folder.name]
    worker = Program(command, cwd=live.folder.parent, env=live.backend.env, log=live.folder / "output")
    try:
        wait_until(lambda: stat.S_IMODE(state.stat().st_mode) == 0o600, "the file is closed", 60)
        wait_until(lambda: stat.S_IMODE(logs.stat().st_mode) == 0o700, "the folder is closed", 60)
    finally:
        assert not worker.stop(), worker.output()
