"""The record of a command that a person started from the dashboard, and the states that it goes through."""

import secrets
import time
from enum import StrEnum
from typing import Any

import msgspec


class CommandState(StrEnum):
    """State of a command. `INTERRUPTED`: its server ended, or was lost, before the command had ended."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


_ENDS = frozenset({CommandState.DONE, CommandState.FAILED, CommandState.CANCELLED, CommandState.INTERRUPTED})
#: The states that may follow each state.
TRANSITIONS: dict[CommandState, frozenset[CommandState]] = {
    CommandState.WAITING: frozenset(
        {CommandState.RUNNING, CommandState.FAILED, CommandState.CANCELLED, CommandState.INTERRUPTED}
    ),
    CommandState.RUNNING: _ENDS,
    **dict.fromkeys(_ENDS, frozenset()),
}


class CommandRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One command: what was started by whom, on which server, and how far it is.

    `project` is the project's uid, `user` the name of the login, empty without one, `server` the id of the server that
    runs the command. Times are in seconds since 1970, None before the command has started or ended. `done` and `total`
    count tasks, None while they are not known. `message` says what the command does, or how it has ended.
    """

    id: str
    command: str
    project: str
    options: dict[str, Any] = {}
    user: str = ""
    server: str = ""
    state: CommandState = CommandState.WAITING
    created: float
    started: float | None = None
    ended: float | None = None
    done: int | None = None
    total: int | None = None
    message: str = ""

    @property
    def active(self) -> bool:
        """Whether the command waits or runs."""
        return self.state not in _ENDS

    def changed(self, **changes: Any) -> "CommandRecord":
        """Return the record with other values. A new state sets `started` or `ended` to the present time.

        Raises ValueError if the new state may not follow the present one.
        """
        state = changes.get("state", self.state)
        if state != self.state:
            if state not in TRANSITIONS[self.state]:
                raise ValueError(f"A command that is {self.state} cannot become {state}")
            changes["started" if state == CommandState.RUNNING else "ended"] = time.time()
        return msgspec.structs.replace(self, **changes)


def new_command(
    command: str, project: str, options: dict[str, Any], *, user: str, server: str
) -> CommandRecord:
    """Return the record of a command that is to wait for its start."""
    return CommandRecord(
        id=secrets.token_hex(8),
        command=command,
        project=project,
        options=options,
        user=user,
        server=server,
        created=time.time(),
    )
