"""Per-project key/value pairs in a SQLite file: the state of models of the event generation.

The table layout is that of the older implementation, so an existing `cache.db` keeps working. Every read queries the
file, so writes of other processes are seen at once. A damaged file is renamed and replaced by a new one, which gets
the rows that are still readable and those that the cache's owner can supply.
"""

import contextlib
import logging
import os
import sqlite3
import stat
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from label_studio_ml.errors import VersionError
from label_studio_ml.storage import damaged_database
from label_studio_ml.storage.damaged_database import DamagedDatabase, Rows
from label_studio_ml.storage.disk_errors import disk_fix
from label_studio_ml.storage.private_files import make_folder
from label_studio_ml.storage.retries import retry
from label_studio_ml.support.texts import plural

T = TypeVar("T")

logger = logging.getLogger(__name__)

#: Seconds that a statement waits for the transaction of another process.
BUSY_TIMEOUT = 10.0
#: Maximum number of times that one write is repeated because other processes replaced the file meanwhile.
_MAX_REPLACEMENTS = 5

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
    """A mapping of (project id, key) to text. Values are str only."""

    @abstractmethod
    def get(self, project_id: str, key: str) -> str | None:
        """Return the value, or None if there is none."""

    @abstractmethod
    def items(self, project_id: str) -> dict[str, str]:
        """Return all keys and values of a project."""

    @abstractmethod
    def projects(self) -> list[str]:
        """Return the ids of all projects that have a value, sorted."""

    @abstractmethod
    def update(self, project_id: str, mapping: Mapping[str, str]) -> None:
        """Write all of `mapping`, or nothing if an error occurs.

        Raises ValueError, naming the key, if a value is not a str.
        """

    @abstractmethod
    def delete(self, project_id: str, key: str) -> None:
        """Remove the value, if there is one."""

    def set(self, project_id: str, key: str, value: str) -> None:
        """Write one value. Raises ValueError, naming the key, if it is not a str."""
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
    """A cache in the file `path`/`db_name`, which threads and processes of one machine can share.

    File (mode 0600) and folder are created on first use. Methods raise VersionError if the file cannot be opened, read
    or written. If the file is damaged, `known` returns rows for the new file, in addition to those readable in the
    damaged one; `loss` is the sentence for the log about the other rows.
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
        """Return the value in the file now, or None if there is none."""
        query = "SELECT value FROM cache WHERE project_id = ? AND key = ?"
        row = self._read(lambda connection: connection.execute(query, (project_id, key)).fetchone())
        return None if row is None else str(row[0])

    def items(self, project_id: str) -> dict[str, str]:
        """Return all keys and values of a project in the file now, sorted by key."""
        query = "SELECT key, value FROM cache WHERE project_id = ? ORDER BY key"
        return dict(self._read(lambda connection: connection.execute(query, (project_id,)).fetchall()))

    def projects(self) -> list[str]:
        """Return the ids of all projects that have a value in the file now, sorted."""
        query = "SELECT DISTINCT project_id FROM cache ORDER BY project_id"
        rows = self._read(lambda connection: connection.execute(query).fetchall())
        return [str(row[0]) for row in rows]

    def convert(self, key: str, convert: Callable[[str, str], T]) -> list[T]:
        """Return `convert(project_id, value)` of each project's value under `key`, which are read one at a time."""
        query = "SELECT project_id, value FROM cache WHERE key = ?"
        return self._read(
            lambda connection: [
                convert(str(uid), str(value)) for uid, value in connection.execute(query, (key,))
            ]
        )

    def update(self, project_id: str, mapping: Mapping[str, str]) -> None:
        """Write all of `mapping` in one transaction.

        Raises ValueError, naming the key, if a value is not a str; then nothing is written.
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
        """Close the connection; the next call opens it again."""
        with self._lock:
            self._disconnect()

    def __del__(self) -> None:
        with contextlib.suppress(sqlite3.Error, AttributeError):
            self.close()

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return the result of the query `work`."""
        return self._run(lambda: work(self._current_connection()))

    def _write(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Run `work`, which writes. It may run more than once, so it must be idempotent."""
        self._run(lambda: self._write_until_kept(work))

    def _run(self, work: Callable[[], T]) -> T:
        """Run `work` in one thread at a time; if the file is damaged, replace it and run `work` once more."""
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
        """Run `work`, and again if another process replaced the file meanwhile: the new file may lack the write."""
        for _ in range(_MAX_REPLACEMENTS):
            work(self._current_connection())
            if self._identity == damaged_database.identity(self._name):
                break

    def _unusable(self, error: Exception) -> VersionError:
        return VersionError(
            f"The state file {self.file} cannot be used: {error}",
            fix=disk_fix(error, self.file.parent, "MODEL_DIR must be a folder that this user may write to"),
            field="MODEL_DIR",
        )

    def _current_connection(self) -> sqlite3.Connection:
        """Return a connection to the present file. A forked child opens its own, as SQLite requires."""
        connection = self._connection
        if (
            connection is None
            or self._owner != os.getpid()
            or self._identity != damaged_database.identity(self._name)
        ):
            self._disconnect()
            with self._creation_locked():
                connection = self._open()
        return connection

    @contextlib.contextmanager
    def _creation_locked(self) -> Iterator[None]:
        make_folder(self.file.parent)
        with damaged_database.exclusive_access(self.file):
            yield

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and self._owner == os.getpid():
            connection.close()

    def _replace(self, cause: str) -> None:
        """Replace a damaged file unless another process has replaced it. Raises OSError or sqlite3.Error."""
        damaged_identity = self._identity
        with self._creation_locked():
            identity = damaged_database.identity(self.file)
            if (
                identity is None
                or (damaged_identity is not None and identity != damaged_identity)
                or damaged_database.is_intact(self.file)
            ):
                self._disconnect()
                return
            blank = damaged_database.is_blank(self.file)
            damaged_file = damaged_database.set_aside(self.file)
            self._disconnect()
            try:
                # Read after the renaming: a process that wrote before it notices the renaming, and writes again.
                read, without_log = damaged_database.readable_rows(damaged_file)
                rows = {**without_log, **self._known(), **read}
                read = {**without_log, **read}
                _write_rows(self._open(), [(project, key, value) for (project, key), value in rows.items()])
            except BaseException:  # the next call tries the same file again
                self._disconnect()
                damaged_database.put_back(damaged_file, self.file)
                raise
            restored = len(rows) - len(read)
            restoration = (
                f", {plural(restored, 'entry was', 'entries were')} restored from other files"
                if restored
                else ""
            )
            if blank:
                damaged_database.remove(damaged_file)
                logger.warning("%s was empty and was created again%s. %s", self.file, restoration, self._loss)
                return
            logger.error(
                "%s is damaged (%s) and was set aside as %s. %s of it could be read%s. %s",
                *(
                    self.file,
                    cause,
                    damaged_file.name,
                    plural(len(read), "entry", "entries"),
                    restoration,
                    self._loss,
                ),
            )

    def _open(self) -> sqlite3.Connection:
        # An existing file is not opened here: closing that descriptor would drop the locks of this process's other
        # connections, and the next process to close the database would then delete its write-ahead log while in use.
        created = True
        try:
            os.close(
                os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
            )
        except FileExistsError:
            created = False
            self._check_file()
        connection = sqlite3.connect(
            self.file, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        try:
            _prepare(connection)
        except BaseException:
            connection.close()
            if created:  # otherwise the next call takes the empty file for a damaged one
                damaged_database.remove(self.file)
            raise
        self._connection, self._owner = connection, os.getpid()
        self._identity = damaged_database.identity(self.file)
        return connection

    def _check_file(self) -> None:
        """Raise DamagedDatabase if the existing file cannot be a database; restrict its mode to the owner."""
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
    """Write all rows in one transaction, which is rolled back on an error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executemany(_WRITE, rows)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _prepare(connection: sqlite3.Connection) -> None:
    """Enable the write-ahead log and create the table.

    SQLite does not wait for a lock while it changes the journal mode, so processes that start together retry here.
    """

    def prepare() -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(_CREATE_TABLE)

    retry(
        prepare,
        on=sqlite3.OperationalError,
        seconds=BUSY_TIMEOUT,
        first=0.02,
        is_passing=lambda error: "locked" in str(error),
    )


def create_cache(cache_type: str = "sqlite", path: str | os.PathLike[str] = ".", **kwargs: Any) -> BaseCache:
    """Return the cache of type `cache_type` at `path`; the only type is `"sqlite"`.

    `kwargs` are passed to its constructor. Raises ValueError for another type.
    """
    if cache_type != "sqlite":
        raise ValueError(f"CACHE_TYPE={cache_type!r} is unknown; only 'sqlite' is supported")
    return SqliteCache(path, **kwargs)
