"""A real Redis server for tests: with a password, users, TLS, or hardly any memory."""

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import redis

from e2e.conftest import missing
from e2e.processes import Program, free_port, wait_until


class RedisServer:
    """`redis-server` on a port of its own, its data in `folder`. Ends with `stop`, and can be started again.

    `prefix` is what starts it elsewhere: in a namespace where it has the address `host`.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        tls: bool = False,
        users: Sequence[str] = (),
        port: int | None = None,
        host: str = "localhost",
        prefix: Sequence[str] = (),
    ) -> None:
        self.host = host
        executable = shutil.which("redis-server")
        if executable is None:
            missing("no redis-server on PATH")
        folder.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.folder = folder
        self.ca = folder / "ca.crt"
        listen = ["--port", str(self.port)]
        if tls:
            certificates(folder)
            listen = [
                *("--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no"),
                *("--tls-cert-file", str(folder / "redis.crt"), "--tls-key-file", str(folder / "redis.key")),
                *("--tls-ca-cert-file", str(self.ca)),
            ]
        if users:
            (folder / "users.acl").write_text("".join(f"user {user}\n" for user in users))
            listen += ["--aclfile", str(folder / "users.acl")]
        bind = "127.0.0.1" if host == "localhost" else host
        self.command = [
            *(*prefix, str(executable), *listen, "--bind", bind, "--dir", str(folder), "--save", ""),
            *arguments,
        ]
        self.program: Program | None = None

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"redis://{self.address}/0"

    def start(self) -> "RedisServer":
        self.program = Program(self.command, cwd=self.folder, env={}, log=self.folder / "redis.log")
        program = self.program
        wait_until(
            lambda: "Ready to accept connections" in program.output().rpartition("starting")[2],
            "Redis is up",
            every=0.02,
        )
        return self

    def client(self, **options: Any) -> Any:
        return redis.Redis(host=self.host, port=self.port, **options)

    def kill(self) -> None:
        """End it without a chance to write anything."""
        assert self.program is not None
        self.program.kill()

    def stop(self) -> None:
        if self.program is not None:
            self.program.stop()


def certificates(folder: Path) -> None:
    """Write an authority's certificate and one that it signed for localhost."""
    if shutil.which("openssl") is None:
        missing("no openssl on PATH")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "rsa:2048", "-nodes")
    constraint = ("-addext", "basicConstraints=critical,CA:TRUE")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=ca", *constraint)
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("req", *key, "-keyout", "redis.key", "-out", "redis.csr", "-subj", "/CN=localhost")
    signed = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names", "-days", "2")
    openssl("x509", "-req", "-in", "redis.csr", *signed, "-out", "redis.crt")


MakeRedis = Callable[..., RedisServer]


@pytest.fixture
def make_redis(tmp_path: Path) -> Any:
    """Make Redis servers that end with the test."""
    made: list[RedisServer] = []

    def make(*arguments: str, tls: bool = False, users: Sequence[str] = ()) -> RedisServer:
        made.append(RedisServer(tmp_path / f"redis-{len(made)}", *arguments, tls=tls, users=users))
        return made[-1].start()

    yield make
    for server in made:
        server.stop()
