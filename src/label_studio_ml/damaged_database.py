"""SQLite files that are damaged: found out, read as far as possible, and set aside for a new one."""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from label_studio_ml import file_locks

#: What SQLite says of a damaged file, and of one that is no database at all.
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
#: What belongs to a database file besides itself. They go first: left behind, they would be read into the new file.
_WITH_IT = ("-wal", "-shm", "")

Rows = dict[tuple[str, str], str]


class DamagedDatabase(sqlite3.DatabaseError):
    """The file is empty, or a folder."""


def is_damage(error: sqlite3.Error) -> bool:
    """Tell whether an error says that the file is damaged, and not that it cannot be used now."""
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(error, DamagedDatabase):
        return True
    # Of a log (`-wal`) that has less than its index says: no other process can use it while one has the file open.
    is_cut_off = code == sqlite3.SQLITE_IOERR_SHORT_READ
    return isinstance(code, int) and (code & 0xFF in _DAMAGE or is_cut_off)


def identity(file: Path | str) -> tuple[int, int] | None:
    """Return what tells a file from another one of its name, None if there is none."""
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_dev, status.st_ino


@contextlib.contextmanager
def alone(file: Path) -> Iterator[None]:
    """Keep other processes from opening a database, or setting it aside; where the folder allows no lock, do not."""
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):
            held.enter_context(file_locks.folder_locked(file.parent))
        yield


def is_whole(file: Path) -> bool:
    """Tell whether SQLite finds nothing wrong with a file, in a connection of its own. Raises sqlite3.Error."""
    if file.is_dir() or not file.stat().st_size:
        return False
    with contextlib.closing(sqlite3.connect(file, timeout=10.0)) as connection:
        try:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                return False
            raise
    return bool(found) and found[0] == "ok"


def readable_rows(file: Path) -> tuple[Rows, Rows]:
    """Return what can be read of a damaged file, (project, key) to value, and what it has without its log.

    The latter may be older values, and rows that were deleted since: it is empty where all of the former can be read.
    """
    if not file.is_file():
        return {}, {}
    rows, whole = _rows(str(file))
    return rows, {} if whole else _rows(f"{file.absolute().as_uri()}?mode=ro&immutable=1")[0]


def _rows(name: str) -> tuple[Rows, bool]:
    """Read a database's rows from both ends; return them, and whether nothing was in the way."""
    rows: Rows = {}
    whole = True
    for order in ("ASC", "DESC"):
        try:
            with contextlib.closing(
                sqlite3.connect(name, timeout=1.0, uri=name.startswith("file:"))
            ) as connection:
                query = f"SELECT project_id, key, value FROM cache ORDER BY rowid {order}"  # noqa: S608
                for project, key, value in connection.execute(query):
                    if all(isinstance(one, str) for one in (project, key, value)):
                        rows.setdefault((project, key), value)
        except sqlite3.Error:
            whole = False
    return rows, whole


def set_aside(file: Path) -> Path:
    """Rename a file, with what belongs to it, and return its new path. For whoever has it `alone`. Raises OSError."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    aside = file.with_name(f"{file.name}.damaged-{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = file.with_name(f"{file.name}.damaged-{stamp}-{number}")
    for suffix in _WITH_IT:
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{file}{suffix}", f"{aside}{suffix}")
    return aside


def put_back(aside: Path, file: Path) -> None:
    """Undo `set_aside`; what was made in the meantime goes. Raises OSError."""
    remove(file)
    for suffix in _WITH_IT:
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{aside}{suffix}", f"{file}{suffix}")


def remove(file: Path) -> None:
    """Remove a file, with what belongs to it. For whoever has it `alone`. Raises OSError."""
    for suffix in _WITH_IT:
        Path(f"{file}{suffix}").unlink(missing_ok=True)


def is_blank(file: Path) -> bool:
    """Tell whether a file has nothing in it, nor in its log: whoever made it came no further. Raises OSError."""
    log = Path(f"{file}-wal")
    return file.is_file() and not file.stat().st_size and not (log.exists() and log.stat().st_size)


def those_set_aside(folder: Path) -> list[Path]:
    """Return the database files in a folder that were set aside."""
    found = folder.glob("*.db.damaged-*")
    return sorted(path for path in found if not path.name.endswith(("-wal", "-shm")))
