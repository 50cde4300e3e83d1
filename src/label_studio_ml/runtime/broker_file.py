"""Repair a damaged append-only file of the embedded broker: copy it, then cut it off where the damage begins.

A server reads a file that merely ends early as far as it goes, but refuses to start with damage in the middle, such as
zeros left by a power failure. The position of the damage is found with the check-aof tool: the server's executable
acts as that tool if it is started under the tool's name.
"""

import contextlib
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from label_studio_ml.errors import BrokerError
from label_studio_ml.storage import atomic_files
from label_studio_ml.storage.disk_errors import disk_fix
from label_studio_ml.storage.small_files import unused_damaged_path
from label_studio_ml.support.texts import shell_command, whole_number

#: Folder in the broker's folder with the append-only file, which consists of several parts.
PARTS = "appendonlydir"
#: Seconds between two checks whether the tool has ended.
_CHECK_INTERVAL = 0.1
#: Last log lines of a server: for damage at which a part can be cut, and for any damage.
_CUTTABLE = re.compile(r"Bad file format reading the append only file (\S+?):")
_DAMAGE = re.compile(
    r"reading the append only file|Check RDB returned|RDB base file|Fatal error loading the DB|AOF manifest file|"
    r"Unable to obtain the AOF file .*No such file|Wrong signature|Wrong RDB checksum|Short read",
    re.IGNORECASE,
)
#: Output of the tool for a part: its size, and how many bytes before the damage can be read.
_ANALYZED = re.compile(r"size=(\d+), ok_up_to=(\d+)")


class FileCut(BrokerError):
    """The server ended because of damage in its append-only file. The file is cut now: the server can be restarted."""

    code = "LSML-E620"


@dataclass(frozen=True, slots=True)
class Cut:
    """Result of a repair: `part` was cut from `size` to `kept` bytes; `copy` is a copy of the folder before the cut."""

    part: Path
    kept: int
    size: int
    copy: Path


def copies(folder: Path) -> list[Path]:
    """Return the copies of damaged append-only files in a broker's folder, oldest first."""
    return sorted(folder.glob(f"{PARTS}.damaged-*"))


def damage_error(folder: Path, log_line: str) -> BrokerError | None:
    """Return the error for a server in `folder` whose last log line `log_line` names damage; None if it names none."""
    if not _DAMAGE.search(log_line):
        return None
    parts = folder / PARTS
    return BrokerError(
        f"The embedded broker's append-only file in {parts} is damaged and cannot be repaired automatically: "
        f"{log_line}. Events are kept in the spool meanwhile",
        fix="Bring that folder back from a backup; or move it away, and the broker starts within seconds without the "
        f"events that wait in it: {shell_command('mv', parts, f'{parts}.moved')}",
    )


def cut_at_damage(
    folder: Path, server: Path, log_line: str, *, lock: int, stopping: threading.Event
) -> Cut | None:
    """Cut the append-only file in `folder` at the damage that `log_line`, a server's last one, names.

    Returns the result, or None without a change if `log_line` names no such damage, or the file cannot be cut there:
    the part is not the last one, or the tool does not confirm the damage. No server may run in the folder; `lock` is
    the descriptor of the lock that ensures this, and the tool inherits it. Raises BrokerError for errors of the disk,
    and once `stopping` is set.
    """
    match = _CUTTABLE.search(log_line)
    part = folder / PARTS / match[1] if match else None
    if part is None or _last_part(folder) != part.name:
        return None
    trial_copy = folder / f"{part.name}.cut"
    try:
        damage = _check(server, part, lock, stopping)
        if damage is None:
            return None
        size, kept = damage
        shutil.copy(part, trial_copy)
        os.truncate(trial_copy, kept)
        if _check(server, trial_copy, lock, stopping) is not None:
            return None
        copy = unused_damaged_path(folder / PARTS)
        with _removed_on_error(copy):
            shutil.copytree(part.parent, copy)
        atomic_files.move_into_place(trial_copy, part)
    except OSError as error:
        raise BrokerError(
            f"The embedded broker's append-only file {part} is damaged and cannot be repaired: {error}",
            fix=disk_fix(error, folder),
        ) from error
    finally:
        with contextlib.suppress(OSError):
            trial_copy.unlink(missing_ok=True)
    return Cut(part, kept, size, copy)


def _last_part(folder: Path) -> str:
    """Return the name of the part that is read last, empty if the manifest does not tell."""
    try:
        lines = (folder / PARTS / "appendonly.aof.manifest").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    numbered = []
    for line in lines:
        tokens = line.split()
        fields = dict(zip(tokens[::2], tokens[1::2], strict=False))
        if fields.get("type") == "i" and (number := whole_number(fields.get("seq", ""))) is not None:
            numbered.append((number, fields.get("file", "")))
    return max(numbered, default=(0, ""))[1]


def _check(server: Path, part: Path, lock: int, stopping: threading.Event) -> tuple[int, int] | None:
    """Return the size of a damaged part, and how many bytes before the damage can be read; None if undamaged.

    Also None if the tool's output is not understood. Raises OSError, and BrokerError once `stopping` is set.
    """
    process = subprocess.Popen(
        [server.name.replace("-server", "-check-aof"), str(part)],
        executable=server,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        pass_fds=[lock],
    )
    while True:
        try:
            output, _ = process.communicate(timeout=_CHECK_INTERVAL)
            break
        except subprocess.TimeoutExpired:
            if stopping.is_set():
                process.kill()
                process.communicate()
                raise BrokerError("The backend is shutting down") from None
    match = _ANALYZED.search(output)
    return (int(match[1]), int(match[2])) if process.returncode and match else None


@contextlib.contextmanager
def _removed_on_error(copy: Path) -> Iterator[None]:
    """Remove the unfinished copy if the block raises OSError."""
    try:
        yield
    except OSError:
        shutil.rmtree(copy, ignore_errors=True)
        raise
