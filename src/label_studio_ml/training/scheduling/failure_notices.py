"""One-line notices about failed trainings, which a worker sends to its server for the server's terminal and log."""

import logging
import os
import threading
from collections.abc import Callable

import msgspec

from label_studio_ml.config.settings import Settings
from label_studio_ml.support.texts import our_command
from label_studio_ml.training.records.job_record import JobFailure

logger = logging.getLogger(__name__)

#: Prefix of the notices in a worker's output, and limit of a notice in bytes: a write of that size is not split.
PREFIX, MAX_NOTICE_BYTES = b"\x1enotice ", 4000
#: Limit in characters for the cause in a notice. The cause of a refused token ends with the advice on how to fix it.
MAX_CAUSE_LENGTH = 450


class Notice(msgspec.Struct, frozen=True):
    """A line of text, and the level at which the server logs it."""

    text: str
    level: int = logging.ERROR


def send_notice(text: str, level: int = logging.ERROR) -> None:
    """Write a notice to standard output, for the server that started this worker.

    The text is cut to MAX_NOTICE_BYTES // 6 characters: JSON needs up to 6 bytes for each. Raises OSError if the server
    is gone.
    """
    os.write(1, PREFIX + msgspec.json.encode(Notice(text[: MAX_NOTICE_BYTES // 6], level)) + b"\n")


def read_notice(line: bytes) -> Notice | None:
    """Return the notice in a line of a worker's output, None if the line is no notice."""
    if not line.startswith(PREFIX):
        return None
    try:
        return msgspec.json.decode(line[len(PREFIX) :], type=Notice)
    except msgspec.MsgspecError:
        return None


class Notices:
    """Reports failed trainings, and once per project that Label Studio cannot be read, until a run can read it again.

    Each notice has the command that shows the job's log. `stopping` is set when the worker is to end; trainings that
    fail from then on are not reported. `send` sends a text and its log level.
    """

    def __init__(
        self, settings: Settings, stopping: threading.Event, send: Callable[[str, int], None] = send_notice
    ) -> None:
        self._folder = settings.backend_dir
        self._stopping = stopping
        self._send = send
        #: Uid of each project whose last run could not read Label Studio → id of that run's job.
        self._refused: dict[str, str] = {}

    def login(self, uid: str, job: str, refused: str, trained: bool) -> None:
        """Record whether a run could read Label Studio; report a problem unless the project's previous run had one too.

        `refused` is the problem, such as a refused token, empty if there was none. A run that has `trained` all the
        same, on annotations from elsewhere, is reported as a warning, another one as an error.
        """
        if not refused:
            self._refused.pop(uid, None)
            return
        if uid not in self._refused:
            self._report(uid, f"job {job}: {refused}", job, logging.WARNING if trained else logging.ERROR)
        self._refused[uid] = job

    def failed(self, failure: JobFailure) -> None:
        """Report a job that failed or was interrupted, unless it could not read Label Studio: `login` handles that."""
        uid, job = failure.project, failure.job
        if self._refused.get(uid) != job and not self._stopping.is_set():
            ended = "was interrupted, and a later job tries again" if failure.is_interrupted else "failed"
            self._report(uid, f"training job {job} {ended}: {failure.error}", job, code=failure.error_code)

    def _report(self, uid: str, cause: str, job: str, level: int = logging.ERROR, code: str = "") -> None:
        text = " ".join(cause.split())
        text = text if len(text) <= MAX_CAUSE_LENGTH else f"{text[: MAX_CAUSE_LENGTH - 1]}…"
        log_command = our_command("jobs", self._folder, "--follow", job)
        more = f"More: {our_command('explain', code)} | " if code else ""
        try:
            self._send(f"Project {uid.partition('.')[0]}: {text} | {more}See its log: {log_command}", level)
        except OSError as error:  # the server is gone
            logger.debug("The notice cannot be sent to the server: %s", error)
