"""Announce each call of user code to the command, which measures its time and ends the process when it takes too long.

The announcements belong to the process, like its audit hook: outside of a child of `label-studio-ml test` they go
nowhere.
"""

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from label_studio_ml.test_kit.child_plan import Call, CallKind, Event

_numbers = itertools.count(1)
_senders: list[Callable[[Event], None]] = []


def announce_to(send: Callable[[Event], None]) -> None:
    """Send the announcements of this process with `send`, which threads call at the same time."""
    _senders[:] = [send]


@contextlib.contextmanager
def announced(kind: CallKind, tasks: Iterable[Mapping[str, Any]] = (), *, parts: int = 1) -> Iterator[int]:
    """Announce that a call begins, and that it has ended when the block is left; yield its number.

    `parts` is the number of calls that the server would make of it.
    """
    number = next(_numbers)
    ids = [str(task.get("id", "")) for task in tasks]
    call = Call(number=number, kind=kind, tasks=ids, parts=parts, thread=threading.get_ident())
    _send(Event(call=call))
    try:
        yield number
    finally:
        _send(Event(returned=number))


def announce_cancellation(number: int) -> None:
    """Announce that the training of a running call of `fit` is cancelled now."""
    _send(Event(call=Call(number=number, kind=CallKind.CANCELLED_FIT)))


def _send(event: Event) -> None:
    for send in _senders:
        send(event)
