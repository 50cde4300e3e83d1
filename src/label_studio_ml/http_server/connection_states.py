"""The states of a connection.

`NEXT_STATES` holds the arrows that are drawn here, and only `Connection._enter` follows them:

    NEW ──request──▶ ANSWERING ──response written──▶ READY ──request──▶ ANSWERING
    NEW, READY, ANSWERING ──client does not read──▶ BLOCKED ──client has read──▶ READY, ANSWERING
    NEW, READY, ANSWERING, BLOCKED ──last response written, or timeout──▶ ENDING
    any state ──connection lost, or aborted──▶ LOST

Its input has states of its own, as a client that has closed its sending side still gets all responses:

    READING ◀──client does not read responses, or has sent too much──▶ PAUSED
    READING, PAUSED ──client has closed its sending side──▶ ENDED
"""

import enum


class State(enum.Enum):
    """What a connection does. In BLOCKED, a response may be unfinished; in ENDING, nothing more is written."""

    next_states: "tuple[State, ...]"

    NEW = enum.auto()
    READY = enum.auto()
    ANSWERING = enum.auto()
    BLOCKED = enum.auto()
    ENDING = enum.auto()
    LOST = enum.auto()


class Input(enum.Enum):
    """Whether the socket is read."""

    READING = enum.auto()
    PAUSED = enum.auto()
    ENDED = enum.auto()


#: Names of the members: looking up a member in an enum takes ten times as long, and each request does it ten times.
NEW, READY, ANSWERING, BLOCKED, ENDING, LOST = State
READING, PAUSED, ENDED = Input

NEXT_STATES: dict[State, tuple[State, ...]] = {
    NEW: (ANSWERING, BLOCKED, ENDING, LOST),
    READY: (ANSWERING, BLOCKED, ENDING, LOST),
    ANSWERING: (READY, BLOCKED, ENDING, LOST),
    BLOCKED: (READY, ANSWERING, ENDING, LOST),
    ENDING: (LOST,),
    LOST: (),
}
for _state, _next_states in NEXT_STATES.items():
    _state.next_states = _next_states
