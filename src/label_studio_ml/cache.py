"""Per-project key and value pairs in a SQLite file, as the later API generation's models keep their state.

The table is the older implementation's, so an existing `cache.db` goes on working. Every read asks the file,
so what another process wrote is seen at once. A damaged file is set aside, and a new one takes its place, with what
could be read of it and what its owner knows from elsewhere.
"""

import contextlib
import logging
import os
import sqlite3
import stat
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from label_studio_ml import damaged_database
from label_studio_ml.damaged_database import DamagedDatabase, Rows
from label_studio_ml.disk_errors import disk_fix
from label_studio_ml.errors import VersionError
from label_studio_ml.private_files import make_folder
from label_studio_ml.texts import plural

T = TypeVar("T")

logger = logging.getLogger(__name__)

#: How long, in seconds, a statement waits for another process's transaction to end.
BUSY_TIMEOUT = 10.0
#: How often a piece of work is done, at most, while other processes set the file aside.
_SWAPS = 5

_CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS cache (
    project_id TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (project_id, key)
)
"""

_WRITE = "REPLACE INTO cache (project_id, key, value) VALUES (?, ?, ?)"


class BaseCache(ABC):
    """A mapping of (project id, key) to text. Values are str and nothing else."""

    @abstractmethod
    def get(self, project_id: str, key: str) -> str | None:
        """Return the value, or None when there is none."""

    @abstractmethod
    def items(self, project_id: str) -> dict[str, str]:
        """Return all keys and values of a project."""

    @abstractmethod
    def projects(self) -> list[str]:
        """Return the ids of all projects that have a value, sorted."""

    @abstractmethod
    def update(self, project_id: str, mapping: Mapping[str, str]) -> None:
        """Write all of `mapping` or, when something fails, nothing.

        Raises ValueError, naming the key, when a value is not a str.
        """

    @abstractmethod
    def delete(self, project_id: str, key: str) -> None:
        """Remove the value, if there is one."""

    def set(self, project_id: str, key: str, value: str) -> None:
        """Write one value. Raises ValueError, naming the key, when it is not a str."""
        self.update(project_id, {key: value})

    def has(self, project_id: str, key: str) -> bool:
        """Return whether there is a value."""
        return self.get(project_id, key) is not None

    def __getitem__(self, project_id_key: tuple[str, str]) -> str | None:
        return self.get(*project_id_key)

    def __setitem__(self, project_id_key: tuple[str, str], value: str) -> None:
        self.set(*project_id_key, value)

    def __delitem__(self, project_id_key: tuple[str, str]) -> None:
        self.delete(*project_id_key)

    def __contains__(self, project_id_key: tuple[str, str]) -> bool:
        return self.has(*project_id_key)


class SqliteCache(BaseCache):
    """A cache in the file `path`/`db_name`, to be shared by threads and processes of one machine.

    The file is opened, and made with mode 0600, when it is first needed; the folder too. Raises VersionError
    when it cannot be opened, read or written. When it is damaged, `known` returns what goes into the file that
    takes its place, besides what can be read of the damaged one; `loss` is what the log says of the rest.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] = ".",
        db_name: str = "cache.db",
        *,
        known: Callable[[], Rows] = dict,
        loss: str = "The rest of what was in it is lost",
    ) -> None:
        self.file = Path(path) / db_name
        self._name = str(self.file)
        self._known = known
        self._loss = loss
        self._identity: tuple[int, int] | None = None
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._owner = 0

    def __repr__(self) -> str:
        return f"SqliteCache({str(self.file)!r})"

    def get(self, project_id: str, key: str) -> str | None:
        """Return the value as it is in the file now, or None when there is none."""
        query = "SELECT value FROM cache WHERE project_id = ? AND key = ?"
        row = self._read(lambda connection: connection.execute(query, (project_id, key)).fetchone())
        return None if row is None else str(row[0])

    def items(self, project_id: str) -> dict[str, str]:
        """Return all keys and values of a project, as they are in the file now, sorted by key."""
        query = "SELECT key, value FROM cache WHERE project_id = ? ORDER BY key"
        return dict(self._read(lambda connection: connection.execute(query, (project_id,)).fetchall()))

    def projects(self) -> list[str]:
        """Return the ids of all projects that have a value in the file now, sorted."""
        query = "SELECT DISTINCT project_id FROM cache ORDER BY project_id"
        rows = self._read(lambda connection: connection.execute(query).fetchall())
        return [str(row[0]) for row in rows]

    def update(self, project_id: str, mapping: Mapping[str, str]) -> None:
        """Write all of `mapping` in one transaction.

        Raises ValueError, naming the key, when a value is not a str; then nothing is written.
        """
        for key, value in mapping.items():
            if not isinstance(value, str):
                raise ValueError(f"The value of {key!r} must be a str, not {type(value).__name__}")
        rows = [(project_id, key, value) for key, value in mapping.items()]
        self._write(lambda connection: _write_rows(connection, rows))

    def delete(self, project_id: str, key: str) -> None:
        """Remove the value, if there is one."""
        query = "DELETE FROM cache WHERE project_id = ? AND key = ?"
        self._write(lambda connection: connection.execute(query, (project_id, key)))

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            self._drop()

    def __del__(self) -> None:
        with contextlib.suppress(sqlite3.Error, AttributeError):
            self.close()

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` reads."""
        return self._do(lambda: work(self._current()))

    def _write(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Have `work` write. It has to leave the same when it is done twice."""
        self._do(lambda: self._write_until_kept(work))

    def _do(self, work: Callable[[], T]) -> T:
        """Lend the connection to one thread at a time; a damaged file is set aside, and the work done in a new one."""
        with self._lock:
            try:
                try:
                    return work()
                except sqlite3.DatabaseError as error:
                    if not damaged_database.is_damage(error):
                        raise
                    self._replace(str(error))
                    return work()
            except (sqlite3.Error, OSError) as error:
                raise self._unusable(error) from error

    def _write_until_kept(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Write, and again if another process set the file aside meanwhile: the new one may not have it."""
        for _ in range(_SWAPS):
            work(self._current())
            if self._identity == damaged_database.identity(self._name):
                break

    def _unusable(self, error: Exception) -> VersionError:
        return VersionError(
            f"The state file {self.file} cannot be used: {error}",
            fix=disk_fix(error, self.file.parent, "MODEL_DIR must be a folder that this user may write to"),
            field="MODEL_DIR",
        )

    def _current(self) -> sqlite3.Connection:
        """Return a connection to the file that has its name now; a forked child opens its own, as SQLite asks for."""
        connection = self._connection
        if (
            connection is None
            or self._owner != os.getpid()
            or self._identity != damaged_database.identity(self._name)
        ):
            self._drop()
            with self._made_alone():
                connection = self._open()
        return connection

    @contextlib.contextmanager
    def _made_alone(self) -> Iterator[None]:
        make_folder(self.file.parent)
        with damaged_database.alone(self.file):
            yield

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and self._owner == os.getpid():
            connection.close()

    def _replace(self, why: str) -> None:
        """Set a damaged file aside and make a new one, unless another process has. Raises OSError, sqlite3.Error."""
        before = self._identity
        with self._made_alone():
            there = damaged_database.identity(self.file)
            if (
                there is None
                or (before is not None and there != before)
                or damaged_database.is_whole(self.file)
            ):
                self._drop()
                return
            blank = damaged_database.is_blank(self.file)
            aside = damaged_database.set_aside(self.file)
            self._drop()
            try:
                # Read only now: who has written to it before sees that it has its name no more, and writes again.
                read, without_log = damaged_database.readable_rows(aside)
                rows = {**without_log, **self._known(), **read}
                read = {**without_log, **read}
                _write_rows(self._open(), [(project, key, value) for (project, key), value in rows.items()])
            except BaseException:  # the next call tries again with the same file
                self._drop()
                damaged_database.put_back(aside, self.file)
                raise
            brought = len(rows) - len(read)
            also = f", {plural(brought, 'is', 'are')} brought back from elsewhere" if brought else ""
            if blank:
                damaged_database.remove(aside)
                logger.warning("%s was empty and is made anew%s. %s", self.file, also, self._loss)
                return
            logger.error(
                "%s is damaged (%s) and was set aside as %s. %s of it could be read%s. %s",
                *(self.file, why, aside.name, plural(len(read), "entry", "entries"), also, self._loss),
            )

    def _open(self) -> sqlite3.Connection:
        # A file that is there is not opened here: closing it would drop the locks that other connections of this
        # process hold on it, and the next process that ends would take the log away from under them.
        made = True
        try:
            os.close(
                os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
            )
        except FileExistsError:
            made = False
            self._check_file()
        connection = sqlite3.connect(
            self.file, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        try:
            _prepare(connection)
        except BaseException:
            connection.close()
            if made:  # else the next call takes the empty file for a damaged one
                damaged_database.remove(self.file)
            raise
        self._connection, self._owner = connection, os.getpid()
        self._identity = damaged_database.identity(self.file)
        return connection

    def _check_file(self) -> None:
        """Raise DamagedDatabase if the file that is there can be no database; make it the owner's only."""
        status = self.file.stat()
        self._identity = status.st_dev, status.st_ino
        if not stat.S_ISREG(status.st_mode):
            raise DamagedDatabase("it is not a file")
        if stat.S_IMODE(status.st_mode) & 0o077:
            with contextlib.suppress(PermissionError):
                self.file.chmod(0o600)
        if not status.st_size:
            raise DamagedDatabase("it is empty")


def _write_rows(connection: sqlite3.Connection, rows: Sequence[tuple[str, str, str]]) -> None:
    """Write all rows or, when something fails, none."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executemany(_WRITE, rows)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _prepare(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log and make the table.

    SQLite does not wait for others while it switches the journal, so processes that start together ask again.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(_CREATE_TABLE)
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def create_cache(cache_type: str = "sqlite", path: str | os.PathLike[str] = ".", **kwargs: Any) -> BaseCache:
    """Return the cache of type `cache_type` at `path`; only `"sqlite"` is known.

    `kwargs` go to its constructor. Raises ValueError for another type.
    """
    if cache_type != "sqlite":
        raise ValueError(f"CACHE_TYPE={cache_type!r} is unknown; only 'sqlite' is supported")
    return SqliteCache(path, **kwargs)
