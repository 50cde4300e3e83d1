"""What a worker has to tell people who look at the server that started it: one line, in its terminal and its log."""

import logging
import os
import threading
from collections.abc import Callable

import msgspec

from label_studio_ml.settings import Settings
from label_studio_ml.texts import our_command

logger = logging.getLogger(__name__)

#: What a line of a worker's output begins with that is for the server, and bytes of it at most: it is one write.
MARK, LONGEST = b"\x1enotice ", 4000
#: Characters of what happened at most: a refused token's cause ends with what to do.
LONGEST_CAUSE = 450


class Notice(msgspec.Struct, frozen=True):
    """A line for people, and the level of `logging` at which it is logged."""

    text: str
    level: int = logging.ERROR


def tell(text: str, level: int = logging.ERROR) -> None:
    """Tell the server that started this worker."""
    os.write(1, MARK + msgspec.json.encode(Notice(text[: LONGEST // 6], level)) + b"\n")


def heard(line: bytes) -> Notice | None:
    """Return what a line of a worker's output tells the server, None if it is not for the server."""
    if not line.startswith(MARK):
        return None
    try:
        return msgspec.json.decode(line[len(MARK) :], type=Notice)
    except msgspec.MsgspecError:
        return None


class Notices:
    """Trainings that fail, and tokens that Label Studio refuses: each is said once, with the command that shows more.

    `stopping` is set when the worker is to end: what that does to a training is no news.
    """

    def __init__(
        self, settings: Settings, stopping: threading.Event, say: Callable[[str, int], None] = tell
    ) -> None:
        self._folder = settings.backend_dir
        self._stopping = stopping
        self._say = say
        #: Of each project whose token was refused last, the job that was refused.
        self._refused: dict[str, str] = {}

    def login(self, uid: str, job: str, refused: str, trained: bool) -> None:
        """Note whether Label Studio refused a run's token, and say so if it did not refuse that of the one before.

        It is a warning where the run has `trained` all the same.
        """
        if not refused:
            self._refused.pop(uid, None)
            return
        if uid not in self._refused:
            self._tell(uid, f"job {job}: {refused}", job, logging.WARNING if trained else logging.ERROR)
        self._refused[uid] = job

    def failed(self, uid: str, job: str, error: str) -> None:
        """Say that a job failed, unless its own token was refused: that is said already."""
        if self._refused.get(uid) != job and not self._stopping.is_set():
            self._tell(uid, f"training job {job} failed: {error}", job)

    def _tell(self, uid: str, what: str, job: str, level: int = logging.ERROR) -> None:
        text = " ".join(what.split())
        text = text if len(text) <= LONGEST_CAUSE else f"{text[: LONGEST_CAUSE - 1]}…"
        more = our_command("jobs", self._folder, "--follow", job)
        try:
            self._say(f"Project {uid.partition('.')[0]}: {text} | See its log: {more}", level)
        except OSError as error:  # the server is gone
            logger.debug("The server cannot be told: %s", error)
