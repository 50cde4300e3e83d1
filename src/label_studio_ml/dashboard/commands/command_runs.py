"""Run the commands that were started on this server: two at a time, the others wait. Nothing runs without a command."""

import contextlib
import logging
import os
import secrets
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

import msgspec

from label_studio_ml.config.settings import Settings
from label_studio_ml.dashboard.commands.command_process import CommandProcess
from label_studio_ml.dashboard.commands.command_table import COMMANDS, find_command
from label_studio_ml.errors import BackendError, BrokerError, Overloaded, ProjectBusy
from label_studio_ml.reports.command_record import CommandRecord, CommandState, new_command
from label_studio_ml.reports.command_records import CommandRecords
from label_studio_ml.reports.known_secrets import scrubber_of
from label_studio_ml.training.records.run_log import Scrubber
from label_studio_ml.versions.state.project_state import Project

logger = logging.getLogger(__name__)

#: The most commands of one server that run at a time, and that wait.
MAX_RUNNING, MAX_WAITING = 2, 20
#: Seconds between two writes of a record; a cancellation is noticed with the next one.
WRITE_INTERVAL = 1.0
#: Seconds for which the end of a command is written again while Redis cannot be reached.
END_TRIES = 60.0
#: Seconds that running commands have to end when the server stops.
STOP_TIMEOUT = 5.0


class CommandRuns:
    """The commands of this server. Methods block for a moment; they are safe to call from several threads."""

    def __init__(self, settings: Settings, records: CommandRecords) -> None:
        self.server = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._settings = settings
        self._records = records
        self._lock = threading.Lock()
        self._waiting: deque[tuple[CommandRecord, Scrubber]] = deque()
        self._threads: set[threading.Thread] = set()
        self._stopping = threading.Event()

    def start(self, command: str, project: Project, options: dict[str, Any], *, user: str) -> CommandRecord:
        """Start a command for a project, or let it wait; return its record.

        Raises RequestError for a wrong command or option, ProjectBusy if the project has such a command already,
        Overloaded if too many commands wait on this server, and BrokerError.
        """
        entry = find_command(command)
        entry.words(str(self._settings.backend_dir), project.uid, options)
        record = new_command(entry.name, project.uid, options, user=user, server=self.server)
        with self._lock:
            if self._stopping.is_set():
                raise Overloaded("The server is shutting down", fix="Try again in a moment")
            if len(self._waiting) >= MAX_WAITING:
                raise Overloaded(
                    f"{MAX_WAITING} commands wait on this server already",
                    fix="Wait for the end of some, or cancel some",
                )
            if (other := self._records.add(record)) is not None:
                raise ProjectBusy(
                    f"{entry.title} is {other.state} for this project already",
                    fix="Wait for its end, or cancel it",
                    field="command",
                )
            self._waiting.append((record, scrubber_of(self._settings, [project.access_token])))
            if len(self._threads) < MAX_RUNNING:
                thread = threading.Thread(target=self._work, daemon=True, name="command")
                self._threads.add(thread)
                thread.start()
        return record

    def stop(self) -> None:
        """End all commands of this server; their records say that they were interrupted."""
        self._stopping.set()
        with self._lock:
            threads, waiting = [*self._threads], [record for record, _ in self._waiting]
            self._waiting.clear()
        for record in waiting:
            self._end(record, CommandState.INTERRUPTED, "The server ended before it began", ())
        deadline = time.monotonic() + STOP_TIMEOUT
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        """Run waiting commands until there are none."""
        while True:
            with self._lock:
                if not self._waiting:
                    self._threads.discard(threading.current_thread())
                    return
                record, scrubber = self._waiting.popleft()
            try:
                self._run(record, scrubber)
            except Exception:
                logger.exception("Command %s failed", record.id)

    def _run(self, record: CommandRecord, scrubber: Scrubber) -> None:
        if (user := self._write(record, ())) is not None:
            self._end(record, CommandState.CANCELLED, _cancelled_by(user), ())
            return
        words = COMMANDS[record.command].words(
            str(self._settings.backend_dir), record.project, record.options
        )
        try:
            process = CommandProcess(self._settings, words, scrubber.text)
        except (BackendError, OSError) as error:
            logger.error("%s cannot be started: %s", record.command, error)
            self._end(record, CommandState.FAILED, f"It cannot be started: {error}", ())
            return
        logger.info("Project %s: %s was started from the dashboard", record.project, record.command)
        record = record.changed(state=CommandState.RUNNING)
        canceller: str | None = None
        written = 0.0
        try:
            while not process.read(0.25):
                if self._stopping.is_set():
                    process.stop()
                if time.monotonic() - written >= WRITE_INTERVAL:
                    written = time.monotonic()
                    record = _with_progress(record, process)
                    canceller = self._write(record, process.lines)
                    self._cancel_waiting()
                if canceller is not None:
                    process.stop()
        finally:
            status = process.close()
        record = _with_progress(record, process)
        state, message = self._outcome(process, status, canceller)
        self._end(record, state, message, process.lines)

    def _outcome(
        self, process: CommandProcess, status: int, canceller: str | None
    ) -> tuple[CommandState, str]:
        if status == 0:
            return CommandState.DONE, process.message(status)
        if canceller is not None:
            return CommandState.CANCELLED, _cancelled_by(canceller)
        if self._stopping.is_set():
            return CommandState.INTERRUPTED, "The server ended. Start it again: what it has stored is kept"
        return CommandState.FAILED, process.message(status)

    def _cancel_waiting(self) -> None:
        """Report that the waiting commands' server is alive, and end those whose cancellation was requested."""
        cancelled: list[tuple[CommandRecord, str]] = []
        # With the lock, no other thread begins a command meanwhile, whose record would say again that it waits.
        with self._lock, contextlib.suppress(BrokerError):
            for entry in [*self._waiting]:
                user = self._records.write(entry[0], ())
                if user is not None:
                    self._waiting.remove(entry)
                    cancelled.append((entry[0], user))
        for record, user in cancelled:
            self._end(record, CommandState.CANCELLED, _cancelled_by(user), ())

    def _write(self, record: CommandRecord, lines: Iterable[str]) -> str | None:
        """Write a record; return who has cancelled the command, None if nobody has or Redis cannot be reached."""
        try:
            return self._records.write(record, [*lines])
        except BrokerError as error:
            logger.debug("The record of command %s could not be written: %s", record.id, error)
            return None

    def _end(self, record: CommandRecord, state: CommandState, message: str, lines: Iterable[str]) -> None:
        """Write the record of a command that has ended; while Redis cannot be reached, repeat that for a while."""
        record = record.changed(state=state, message=message)
        deadline = time.monotonic() + END_TRIES
        while True:
            try:
                self._records.write(record, [*lines])
            except BrokerError as error:
                if time.monotonic() > deadline or self._stopping.wait(WRITE_INTERVAL):
                    logger.warning("The end of command %s is not recorded: %s", record.id, error)
                    return
            else:
                return


def _with_progress(record: CommandRecord, process: CommandProcess) -> CommandRecord:
    progress = process.progress
    if progress is None:
        return record
    return msgspec.structs.replace(record, done=progress.done, total=progress.total, message=progress.text())


def _cancelled_by(user: str) -> str:
    return f"Cancelled by {user}" if user else "Cancelled"
