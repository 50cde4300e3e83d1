"""What a backend's folder has that goes into no image and no repository: `.env` with generated passwords.

`.gitignore` and `.env` may be the user's own: lines are added to them, and none is changed.
"""

import os
import secrets
from pathlib import Path

#: The variable of `.env` that the compose file's Redis and backends take their password from.
REDIS_PASSWORD = "REDIS_PASSWORD"  # noqa: S105

ENV = ".env"
IGNORED = ".gitignore"
#: The files to which lines are added where they are there already.
ADDED_TO = (ENV, IGNORED)


def write_private_files(folder: Path) -> None:
    """Write `.env` with a new password, for its owner only, and a `.gitignore` for it, versions and logs."""
    _write(
        folder / ENV,
        "# Read by docker compose; for its owner only. Neither the image nor a repository gets this file.\n"
        f"{REDIS_PASSWORD}={secrets.token_urlsafe(32)}\n",
    )
    (folder / IGNORED).write_text(f"{ENV}\ndata/\nlogs/*\n!logs/.gitkeep\n", encoding="utf-8")


def add_lines(new: Path, there: Path) -> None:
    """Add to the file `there` those lines of `new` whose name it does not have; a comment comes with none.

    In `.env` a name without a value counts as missing: the last line of a name holds.

    Raises OSError when it cannot be written.
    """
    text = there.read_text(encoding="utf-8", errors="surrogateescape")
    needs_value = there.name == ENV
    names = {_name(line) for line in text.splitlines() if not (needs_value and _is_empty(line))}
    lines = [line for line in new.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    missing = [line for line in lines if _name(line) not in names]
    if missing:
        end = "\n" if text and not text.endswith("\n") else ""
        with there.open("a", encoding="utf-8") as file:
            file.write(end + "".join(f"{line}\n" for line in missing))
    if there.name == ENV:
        there.chmod(0o600)


def _name(line: str) -> str:
    return line.strip().removeprefix("export ").partition("=")[0].strip().rstrip("/")


def _is_empty(line: str) -> bool:
    """Tell whether a line of `.env` gives no value: none, an empty pair of quotes, or a comment."""
    value = line.partition("=")[2].strip()
    return value in ("", "''", '""') or value.startswith("#")


def _write(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
