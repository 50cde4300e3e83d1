"""Records of commands that were started from the dashboard, shared by all servers of a backend in Redis.

The server that runs a command writes its record at least every few seconds, and so reports that it is alive. The record
of a command whose server has not done so for `ALIVE` seconds is shown as interrupted. Any server may request a
cancellation, which the command's server finds when it next writes.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

from label_studio_ml.errors import JobEnded, UnknownJob
from label_studio_ml.reports.command_record import CommandRecord, CommandState
from label_studio_ml.storage.small_files import DamagedFile, parse_json
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.redis_errors import raises_broker_errors

if TYPE_CHECKING:
    from redis.client import Pipeline

T = TypeVar("T")

#: Seconds after its last write for which a server counts as alive.
ALIVE = 15
#: The most records of one project, and of all, that are listed; seconds that a record is kept after its last write.
MAX_PROJECT_RECORDS, MAX_RECORDS = 50, 200
RECORD_TTL = 30 * 24 * 3600


class CommandRecords(Protocol):
    """Records of commands. Methods may block for a moment; they raise BrokerError if Redis cannot be used."""

    def add(self, record: CommandRecord) -> CommandRecord | None:
        """Store the record of a new command, unless the project has an active one of the same command.

        Returns that other record, None if `record` was stored.
        """

    def write(self, record: CommandRecord, lines: Sequence[str]) -> str | None:
        """Replace a record and its last lines of output, and report that its server is alive.

        Returns the name of the person who requested the command's cancellation, None if nobody did.
        """

    def get(self, command_id: str) -> CommandRecord | None:
        """Return a record, None if there is none."""

    def output(self, command_id: str) -> list[str]:
        """Return the last lines that a command has printed."""

    def recent(self, project: str = "", limit: int = MAX_PROJECT_RECORDS) -> list[CommandRecord]:
        """Return up to `limit` records of a project, or of all projects if it is empty, newest first."""

    def cancel(self, command_id: str, user: str) -> CommandRecord:
        """Request a cancellation and return the record. Raises UnknownJob, or JobEnded if the command has ended."""


@raises_broker_errors
class RedisCommandRecords:
    """Records in Redis. `job_store` returns the access to the backend's keys; it may raise BrokerError."""

    def __init__(self, job_store: Callable[[], JobStore]) -> None:
        self._job_store = job_store

    def add(self, record: CommandRecord) -> CommandRecord | None:
        """Store the record of a new command; return the project's active one of the same command instead, if any."""
        job_store = self._job_store()
        keys = job_store.keys
        project_key = keys.project_commands(record.project)
        other: CommandRecord | None = None

        def store(pipe: "Pipeline") -> None:
            """Runs again if another server changes the project's list meanwhile."""
            nonlocal other
            other = active_other(self.recent(record.project), record)
            pipe.multi()
            if other is not None:
                return
            pipe.hset(keys.command(record.id), "record", msgspec.json.encode(record).decode())
            pipe.expire(keys.command(record.id), RECORD_TTL)
            pipe.set(keys.command_server(record.server), "", ex=ALIVE)
            for key, most in ((keys.commands, MAX_RECORDS), (project_key, MAX_PROJECT_RECORDS)):
                pipe.lpush(key, record.id)
                pipe.ltrim(key, 0, most - 1)
                pipe.expire(key, RECORD_TTL)

        job_store.redis.transaction(store, project_key)
        return other

    def write(self, record: CommandRecord, lines: Sequence[str]) -> str | None:
        """Replace a record and its output; return the name of the person who requested a cancellation, or None."""
        job_store = self._job_store()
        key = job_store.keys.command(record.id)
        with job_store.redis.pipeline(transaction=True) as pipe:
            fields = {"record": msgspec.json.encode(record), "output": msgspec.json.encode(list(lines))}
            pipe.hset(key, mapping=fields)
            pipe.expire(key, RECORD_TTL)
            pipe.set(job_store.keys.command_server(record.server), "", ex=ALIVE)
            pipe.hget(key, "cancel")
            user = pipe.execute()[-1]
        return None if user is None else user.decode("utf-8", "replace")

    def get(self, command_id: str) -> CommandRecord | None:
        """Return a record, None if there is none."""
        return next(iter(self._read([command_id])), None)

    def output(self, command_id: str) -> list[str]:
        """Return the last lines that a command has printed."""
        job_store = self._job_store()
        return _decoded(job_store.redis.hget(job_store.keys.command(command_id), "output"), list[str]) or []

    def recent(self, project: str = "", limit: int = MAX_PROJECT_RECORDS) -> list[CommandRecord]:
        """Return up to `limit` records of a project, or of all projects if it is empty, newest first."""
        job_store = self._job_store()
        key = job_store.keys.project_commands(project) if project else job_store.keys.commands
        ids = job_store.redis.lrange(key, 0, limit - 1)
        return self._read([command_id.decode("utf-8", "replace") for command_id in ids])

    def cancel(self, command_id: str, user: str) -> CommandRecord:
        """Request a cancellation and return the record. Raises UnknownJob and JobEnded."""
        record = may_be_cancelled(self.get(command_id), command_id)
        job_store = self._job_store()
        job_store.redis.hset(job_store.keys.command(command_id), "cancel", user)
        return record

    def _read(self, ids: Sequence[str]) -> list[CommandRecord]:
        """Return the records with these ids; those of servers that are gone as interrupted."""
        job_store = self._job_store()
        with job_store.redis.pipeline(transaction=False) as pipe:
            for command_id in ids:
                pipe.hget(job_store.keys.command(command_id), "record")
            stored = [_decoded(value, CommandRecord) for value in pipe.execute()]
        records = [record for record in stored if record is not None]
        servers = sorted({record.server for record in records if record.active})
        with job_store.redis.pipeline(transaction=False) as pipe:
            for server in servers:
                pipe.exists(job_store.keys.command_server(server))
            gone = {server for server, exists in zip(servers, pipe.execute(), strict=True) if not exists}
        return [
            _interrupted(record) if record.active and record.server in gone else record for record in records
        ]


class MemoryCommandRecords:
    """Records in the memory of a server without Redis, such as in tests of users' models."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: dict[str, CommandRecord] = {}
        self._output: dict[str, list[str]] = {}
        self._cancelled: dict[str, str] = {}

    def add(self, record: CommandRecord) -> CommandRecord | None:
        """Store the record of a new command; return the project's active one of the same command instead, if any.

        The oldest record beyond the limit is dropped.
        """
        with self._lock:
            same_project = [item for item in self._records.values() if item.project == record.project]
            if (other := active_other(same_project, record)) is not None:
                return other
            self._records[record.id] = record
            if len(self._records) > MAX_RECORDS:
                oldest = next(iter(self._records))
                for kept in (self._records, self._output, self._cancelled):
                    kept.pop(oldest, None)
        return None

    def write(self, record: CommandRecord, lines: Sequence[str]) -> str | None:
        """Replace a record and its output; return the name of the person who requested a cancellation, or None."""
        with self._lock:
            self._records[record.id] = record
            self._output[record.id] = [*lines]
            return self._cancelled.get(record.id)

    def get(self, command_id: str) -> CommandRecord | None:
        """Return a record, None if there is none."""
        return self._records.get(command_id)

    def output(self, command_id: str) -> list[str]:
        """Return the last lines that a command has printed."""
        return self._output.get(command_id, [])

    def recent(self, project: str = "", limit: int = MAX_PROJECT_RECORDS) -> list[CommandRecord]:
        """Return up to `limit` records of a project, or of all projects if it is empty, newest first."""
        with self._lock:
            records = [*reversed(self._records.values())]
        return [record for record in records if not project or record.project == project][:limit]

    def cancel(self, command_id: str, user: str) -> CommandRecord:
        """Request a cancellation and return the record. Raises UnknownJob and JobEnded."""
        record = may_be_cancelled(self.get(command_id), command_id)
        with self._lock:
            self._cancelled[command_id] = user
        return record


def active_other(records: Iterable[CommandRecord], record: CommandRecord) -> CommandRecord | None:
    """Return one of a project's `records` that waits or runs and has the same command as `record`; None without."""
    return next((other for other in records if other.active and other.command == record.command), None)


def may_be_cancelled(record: CommandRecord | None, command_id: str) -> CommandRecord:
    """Return `record` if its command waits or runs. Raises UnknownJob if it is None, and JobEnded."""
    if record is None:
        raise UnknownJob(f"There is no command {command_id}", field="id")
    if not record.active:
        raise JobEnded(f"The command has ended already ({record.state})", field="id")
    return record


def _interrupted(record: CommandRecord) -> CommandRecord:
    """Return a record as it is shown if its server is gone; when the command ended is not known."""
    message = "The server that ran it is gone. Start it again: what it has stored is kept"
    return msgspec.structs.replace(record, state=CommandState.INTERRUPTED, message=message)


def _decoded(value: bytes | None, kind: type[T]) -> T | None:
    """Return a value from Redis; None if it is missing or not of this kind, such as one of another release."""
    try:
        return None if value is None else parse_json(value, kind)
    except DamagedFile:
        return None
