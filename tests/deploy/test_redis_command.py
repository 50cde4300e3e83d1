"""The command that starts Redis in the compose file and in the Kubernetes manifests, run with a real redis-server."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from e2e.conftest import missing
from e2e.processes import Program, free_port, wait_until
from label_studio_ml.cli.main import main

MANIFEST = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes" / "base" / "redis.yaml"

#: What each of a shell, a Redis configuration file and a template could take for its own.
PASSWORD = r"""it's a "secret"\x41 $HOME #"""


def compose_command(folder: Path) -> list[str]:
    assert main(["init", str(folder / "made")]) == 0
    services = yaml.safe_load((folder / "made" / "docker-compose.yml").read_text())["services"]
    command: list[str] = services["redis"]["command"]
    assert services["redis"]["environment"]["REDIS_MEMORY"] == "${REDIS_MEMORY:-400mb}"
    assert services["redis"]["environment"]["REDIS_PASSWORD"].startswith("${REDIS_PASSWORD:?")
    return [word.replace("$$", "$") for word in command]


def kubernetes_command(folder: Path) -> list[str]:
    (manifest,) = [one for one in yaml.safe_load_all(MANIFEST.read_text()) if one["kind"] == "StatefulSet"]
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    return [word.replace("$$(", "$(") for word in [*container["command"], *container["args"]]]


@pytest.fixture
def port(tmp_path: Path) -> int:
    """Return the port on which the `redis-server` in `tmp_path / "bin"` listens; its data is in `tmp_path`."""
    real = shutil.which("redis-server")
    if real is None:
        missing("no redis-server on PATH")
    chosen = free_port()
    (tmp_path / "bin").mkdir()
    wrapper = tmp_path / "bin" / "redis-server"
    wrapper.write_text(f'#!/bin/sh\nexec {real} "$@" --port {chosen} --bind 127.0.0.1 --dir "{tmp_path}"\n')
    wrapper.chmod(0o700)
    return chosen


@pytest.fixture(params=[compose_command, kubernetes_command], ids=["compose", "kubernetes"])
def program(request: pytest.FixtureRequest, port: int, tmp_path: Path) -> Iterator[Program]:
    command = request.param(tmp_path)
    env = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "REDIS_PASSWORD": PASSWORD, "REDIS_MEMORY": "400mb"}
    started = Program(command, cwd=tmp_path, env=env, log=tmp_path / "redis.log")
    try:
        wait_until(lambda: "Ready to accept connections" in started.output(), "Redis is up", every=0.02)
        yield started
    finally:
        started.stop()


def test_it_asks_for_the_password_and_keeps_every_event(program: Program, port: int) -> None:
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=port).ping()
    client: Any = redis.Redis(port=port, password=PASSWORD)
    names = ("appendonly", "appendfsync", "save", "maxmemory", "maxmemory-policy")
    settings = {name: client.config_get(name)[name] for name in names}
    assert settings == {
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        "maxmemory": str(400 << 20),
        "maxmemory-policy": "noeviction",
    }


def test_its_arguments_do_not_have_the_password_and_it_is_what_a_signal_reaches(program: Program) -> None:
    arguments = Path(f"/proc/{program.process.pid}/cmdline").read_text()
    assert "redis-server" in arguments, "the shell has become the server"
    assert "secret" not in arguments
