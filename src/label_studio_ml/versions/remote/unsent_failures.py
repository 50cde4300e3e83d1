"""Records of load failures that the remote store does not have yet: each has a hidden mark beside it on this disk.

A process that sends a record holds the lock of its mark. A mark without lock was left by a process that gave up or
ended: the record is sent again when the project is synchronised.
"""

import contextlib
import logging
from pathlib import Path
from typing import IO

from label_studio_ml.errors import VersionError
from label_studio_ml.storage import file_locks
from label_studio_ml.storage.small_files import DamagedFile, read_text
from label_studio_ml.versions.remote.object_store import ObjectStore

logger = logging.getLogger(__name__)

#: Suffix of a mark.
_MARK_SUFFIX = ".unsent"


def unsent_mark(record: Path) -> Path:
    """Return the path of the mark that `record` is not in the store yet."""
    return record.with_name(f".{record.name}{_MARK_SUFFIX}")


def claim(record: Path) -> IO[str] | None:
    """Mark `record` as not sent, and lock the mark; None if another process sends it, or the disk refuses."""
    try:
        return file_locks.open_locked(unsent_mark(record))
    except OSError:
        return None


def release(record: Path, lock: IO[str] | None, *, sent: bool) -> None:
    """Release the lock of `claim`, and remove the mark if the store has the record. Disk errors are ignored."""
    if lock is not None:
        lock.close()
    if sent:
        with contextlib.suppress(OSError):
            unsent_mark(record).unlink(missing_ok=True)


def send_again(artifacts: ObjectStore, record: Path, name: str) -> None:
    """Write `record` to the object `name` unless a process is sending it. A failure is logged, and the mark stays."""
    lock = claim(record)
    if lock is None:
        return
    sent = False
    try:
        cause = read_text(record)
        if cause is not None:  # else it was cleared meanwhile
            artifacts.put(name, cause.encode())
        sent = True
    except (VersionError, DamagedFile, OSError) as error:
        logger.warning("A load failure is not recorded in the store yet: %s", error)
    finally:
        release(record, lock, sent=sent)
