"""Write `.env`, with a generated password, and the `.gitignore` that keeps it out of repositories.

If the backend's folder has these files already, lines are added to them, and none is changed.
"""

import os
import secrets
from pathlib import Path

#: The variable of `.env` with the Redis password, which the compose file passes to Redis and the backends.
REDIS_PASSWORD = "REDIS_PASSWORD"  # noqa: S105

ENV = ".env"
GITIGNORE = ".gitignore"
#: Files that are extended, not replaced, if they exist.
EXTENDED_FILES = (ENV, GITIGNORE)


def write_private_files(folder: Path) -> None:
    """Write `.env` with a new password and mode 0600, and a `.gitignore` that lists it, versions and logs."""
    _write(
        folder / ENV,
        "# Read by docker compose; for its owner only. Neither the image nor a repository gets this file.\n"
        f"{REDIS_PASSWORD}={secrets.token_urlsafe(32)}\n",
    )
    (folder / GITIGNORE).write_text(f"{ENV}\ndata/\nlogs/*\n!logs/.gitkeep\n", encoding="utf-8")


def add_lines(new: Path, existing: Path) -> None:
    """Append to the file `existing` the lines of the file `new` whose name it lacks, without comments.

    In `.env`, a name without a value counts as missing, because the last line of a name is the valid one.

    Raises OSError when `existing` cannot be read or written.
    """
    text = existing.read_text(encoding="utf-8", errors="surrogateescape")
    needs_value = existing.name == ENV
    names = {_name(line) for line in text.splitlines() if not (needs_value and _is_empty(line))}
    lines = [line for line in new.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    missing = [line for line in lines if _name(line) not in names]
    if missing:
        end = "\n" if text and not text.endswith("\n") else ""
        with existing.open("a", encoding="utf-8") as file:
            file.write(end + "".join(f"{line}\n" for line in missing))
    if existing.name == ENV:
        existing.chmod(0o600)


def _name(line: str) -> str:
    return line.strip().removeprefix("export ").partition("=")[0].strip().rstrip("/")


def _is_empty(line: str) -> bool:
    """Tell whether a line of `.env` has no value: nothing, a pair of quotes or a comment after the equals sign."""
    value = line.partition("=")[2].strip()
    return value in ("", "''", '""') or value.startswith("#")


def _write(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
