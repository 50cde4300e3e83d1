"""Which model process has the state of a task, so that all interactive requests of the task go there.

User code may keep state between requests in its process: the embedding of an image, a video's tracker. A `Sessions`
table names the process for each session (a task of a project, see `protocol.interactive`):

  - A new session goes to the least loaded process; among equally loaded ones, to that which got one least recently.
  - Requests with an event (`Visit.fixed`) go to the session's process only, however long it is busy.
  - Other requests wait up to `Visit.patience` seconds for the session's process while another one is free, then go to
    the other one, which has the session from then on; a session that had an event stays where it is.
  - When a process ends, its sessions are forgotten.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field

#: The most sessions in a table; the least recently used one is forgotten first.
MAX_SESSIONS = 10_000


class Visit:
    """One interactive request of a session. `patience`: see the module; None for a request with an event."""

    def __init__(self, session: str, patience: float | None) -> None:
        self.session = session
        self.patience = patience
        self._due = None if patience is None else asyncio.get_running_loop().time() + patience

    @property
    def fixed(self) -> bool:
        """Whether only the session's process can answer."""
        return self.patience is None

    @property
    def impatient(self) -> bool:
        """Whether the request has waited for the session's process as long as it should."""
        return self._due is not None and asyncio.get_running_loop().time() >= self._due - 0.001


@dataclass(slots=True)
class _Session:
    member: int
    fixed: bool


@dataclass(slots=True)
class Sessions:
    """Sessions and the numbers of the processes (members of a group) that have them."""

    _sessions: "OrderedDict[str, _Session]" = field(default_factory=OrderedDict)
    _last_given: dict[int, int] = field(default_factory=dict)
    _given: int = 0

    def __len__(self) -> int:
        """Return the number of sessions."""
        return len(self._sessions)

    def choose(self, visit: Visit, loads: dict[int, int], free: Collection[int]) -> int | None:
        """Return the member for a request, None if it should wait; the member has the session from then on.

        `loads` has the number of running calls of each running member; those that may begin a call are in `free`.
        """
        session = self._sessions.get(visit.session)
        if session is not None and session.member not in loads:
            session = None
        if session is not None:
            self._sessions.move_to_end(visit.session)
            session.fixed = session.fixed or visit.fixed
            if session.member in free:
                return session.member
            if visit.fixed or not visit.impatient:
                return None
        member = self._least_loaded({member: loads[member] for member in free})
        if member is not None:
            self._give(visit, member, session)
        return member

    def release(self, name: str) -> None:
        """Forget a session, whose state is no longer needed."""
        self._sessions.pop(name, None)

    def forget_member(self, member: int) -> None:
        """Forget the sessions of a member, which has ended."""
        for name in [name for name, session in self._sessions.items() if session.member == member]:
            del self._sessions[name]

    def _least_loaded(self, loads: dict[int, int]) -> int | None:
        return min(loads, key=lambda member: (loads[member], self._last_given.get(member, 0)), default=None)

    def _give(self, visit: Visit, member: int, session: _Session | None) -> None:
        if not visit.session or (session is not None and session.fixed):
            return  # the state of earlier events stays where it is
        self._given += 1
        self._last_given[member] = self._given
        self._sessions[visit.session] = _Session(member, visit.fixed)
        self._sessions.move_to_end(visit.session)
        if len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
