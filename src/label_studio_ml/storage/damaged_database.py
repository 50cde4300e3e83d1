"""Damaged SQLite files: detect them, read the rows that can be read, and rename the file to make way for a new one."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from label_studio_ml.storage import file_locks
from label_studio_ml.storage.small_files import unused_damaged_path

#: SQLite's error codes for a damaged file, and for one that is not a database.
_DAMAGE_CODES = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
#: Suffixes of a database's files. The log goes first: if left behind, SQLite would apply it to the new database.
_SUFFIXES = ("-wal", "-shm", "")

Rows = dict[tuple[str, str], str]


class DamagedDatabase(sqlite3.DatabaseError):
    """The database file is empty, or not a regular file."""


def is_damage(error: sqlite3.Error) -> bool:
    """Tell whether an error means that the file is damaged, rather than temporarily unusable."""
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(error, DamagedDatabase):
        return True
    # Raised for a log (`-wal`) shorter than its index says: no process can use it while another has the file open.
    is_cut_off = code == sqlite3.SQLITE_IOERR_SHORT_READ
    return isinstance(code, int) and (code & 0xFF in _DAMAGE_CODES or is_cut_off)


def identity(file: Path | str) -> tuple[int, int] | None:
    """Return device and inode of a file, which differ after its replacement; None if the file does not exist."""
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_dev, status.st_ino


@contextlib.contextmanager
def exclusive_access(file: Path) -> Iterator[None]:
    """Keep other processes from opening or replacing a database during the block, unless its folder allows no lock."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(file_locks.folder_locked(file.parent))
        yield


def is_intact(file: Path) -> bool:
    """Tell whether SQLite's quick check of a file, in a separate connection, finds no fault. Raises sqlite3.Error."""
    if file.is_dir() or not file.stat().st_size:
        return False
    with contextlib.closing(sqlite3.connect(file, timeout=10.0)) as connection:
        try:
            answer = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                return False
            raise
    return bool(answer) and answer[0] == "ok"


def readable_rows(file: Path) -> tuple[Rows, Rows]:
    """Return the readable rows of a damaged file, (project, key) to value, and those of the file without its log.

    The latter may be outdated or since deleted. They are empty if reading the former met no error.
    """
    if not file.is_file():
        return {}, {}
    rows, is_complete = _rows(str(file))
    return rows, {} if is_complete else _rows(f"{file.absolute().as_uri()}?mode=ro&immutable=1")[0]


def _rows(name: str) -> tuple[Rows, bool]:
    """Return the rows of a database, read in both directions, and whether no error occurred."""
    rows: Rows = {}
    is_complete = True
    for order in ("ASC", "DESC"):
        try:
            with contextlib.closing(
                sqlite3.connect(name, timeout=1.0, uri=name.startswith("file:"))
            ) as connection:
                query = f"SELECT project_id, key, value FROM cache ORDER BY rowid {order}"  # noqa: S608
                for project, key, value in connection.execute(query):
                    if all(isinstance(text, str) for text in (project, key, value)):
                        rows.setdefault((project, key), value)
        except sqlite3.Error:
            is_complete = False
    return rows, is_complete


def set_aside(file: Path) -> Path:
    """Rename a file and its log files; return the new path. The caller holds `exclusive_access`. Raises OSError."""
    damaged_path = unused_damaged_path(file)
    for suffix in _SUFFIXES:
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{file}{suffix}", f"{damaged_path}{suffix}")
    return damaged_path


def put_back(damaged_path: Path, file: Path) -> None:
    """Undo `set_aside`; the file at the old path is deleted. Raises OSError."""
    remove(file)
    for suffix in _SUFFIXES:
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{damaged_path}{suffix}", f"{file}{suffix}")


def remove(file: Path) -> None:
    """Delete a database file and its log files. The caller holds `exclusive_access`. Raises OSError."""
    for suffix in _SUFFIXES:
        Path(f"{file}{suffix}").unlink(missing_ok=True)


def is_blank(file: Path) -> bool:
    """Tell whether a file and its log are empty, as left by a process that died while creating it. Raises OSError."""
    log = Path(f"{file}-wal")
    return file.is_file() and not file.stat().st_size and not (log.exists() and log.stat().st_size)


def damaged_copies(folder: Path) -> list[Path]:
    """Return the database files in a folder that `set_aside` has renamed, sorted."""
    paths = folder.glob("*.db.damaged-*")
    return sorted(path for path in paths if not path.name.endswith(("-wal", "-shm")))
