"""What a model process is at work on, on a page of memory that it shares with the server.

A process that ends says nothing any more. The page tells which calls it had begun: the others are not what ended it.
It also tells since when a call runs, and costs no message.
"""

import mmap
import os
import struct
import tempfile
import threading
import time

#: The number of a call and when it began (time.monotonic, the same clock in all processes of a machine). Whoever reads
#: while it is written may see the new number with the old time.
_ENTRY = struct.Struct("=Qd")
_PAGES = 16
#: Threads of one process that have an entry of their own; those beyond share the last one.
THREADS = _PAGES * mmap.PAGESIZE // _ENTRY.size


class Begun:
    """The page. The server makes it; the model process opens it by its descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, _PAGES * mmap.PAGESIZE)
        self._own = threading.local()
        self._threads = 0
        self._free: list[int] = []
        self._counting = threading.Lock()

    @staticmethod
    def descriptor() -> int:
        """Return the descriptor of a new page, which whoever gets it closes."""
        if hasattr(os, "memfd_create"):
            made = os.memfd_create("begun")
            os.truncate(made, _PAGES * mmap.PAGESIZE)
            return made
        with tempfile.TemporaryFile(buffering=0) as file:
            file.write(
                bytes(_PAGES * mmap.PAGESIZE)
            )  # written, not just long: a full disk must not fail later
            return os.dup(file.fileno())

    def begin(self, call: int) -> None:
        """Note that this thread works on `call`; 0: on nothing any more."""
        place: int | None = getattr(self._own, "place", None)
        if place is None:
            with self._counting:
                if self._free:
                    place = self._free.pop()
                else:
                    place = min(self._threads, THREADS - 1) * _ENTRY.size
                    self._threads += 1
            self._own.place = place
        _ENTRY.pack_into(self._memory, place, call, time.monotonic())

    def leave(self) -> None:
        """Give this thread's entry back: the thread ends."""
        place: int | None = self._own.__dict__.pop("place", None)
        if place is not None:
            _ENTRY.pack_into(self._memory, place, 0, 0.0)
            with self._counting:
                self._free.append(place)

    def running(self) -> dict[int, float]:
        """Return the calls that the process works on, or worked on when it ended, and for how many seconds."""
        now = time.monotonic()
        calls: dict[int, float] = {}
        for call, since in _ENTRY.iter_unpack(self._memory):
            if call:
                calls[call] = now - since
        return calls
