"""Shared-memory record of the calls that a model process is running.

When a process dies, the server reads the record: only calls listed there can be the cause. The record also tells how
long each call has been running, without a message.
"""

import mmap
import os
import struct
import tempfile
import threading
import time

#: The number of a call and its start (time.monotonic, the same clock in all processes of a machine). A concurrent
#: reader may see a new number with an old time.
_ENTRY = struct.Struct("=Qd")
_PAGES = 16
#: Added to the number of a call that is a long poll.
_LONG_POLL = 1 << 63
#: Number of threads with an entry of their own; further threads share the last one.
THREADS = _PAGES * mmap.PAGESIZE // _ENTRY.size


class InflightCalls:
    """The record. The server creates it; the model process opens it by its descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, _PAGES * mmap.PAGESIZE)
        self._thread_entry = threading.local()
        self._threads = 0
        self._free: list[int] = []
        self._counting = threading.Lock()

    @staticmethod
    def descriptor() -> int:
        """Return a descriptor of new shared memory, which the caller must close."""
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("inflight")
            os.truncate(descriptor, _PAGES * mmap.PAGESIZE)
            return descriptor
        with tempfile.TemporaryFile(buffering=0) as file:
            file.write(bytes(_PAGES * mmap.PAGESIZE))  # allocates the blocks: a full disk must not fail later
            return os.dup(file.fileno())

    def begin(self, call: int, *, long_poll: bool = False) -> None:
        """Record that the current thread runs `call`; 0 means none."""
        offset: int | None = getattr(self._thread_entry, "offset", None)
        if offset is None:
            with self._counting:
                if self._free:
                    offset = self._free.pop()
                else:
                    offset = min(self._threads, THREADS - 1) * _ENTRY.size
                    self._threads += 1
            self._thread_entry.offset = offset
        _ENTRY.pack_into(self._memory, offset, call | (_LONG_POLL if long_poll else 0), time.monotonic())

    def leave(self) -> None:
        """Release the current thread's entry, before the thread ends."""
        offset: int | None = self._thread_entry.__dict__.pop("offset", None)
        if offset is not None:
            _ENTRY.pack_into(self._memory, offset, 0, 0.0)
            with self._counting:
                self._free.append(offset)

    def running(self) -> dict[int, float]:
        """Return the calls that the process runs, or was running when it ended, with their durations in seconds."""
        return {call & ~_LONG_POLL: seconds for call, seconds in self._entries()}

    def suspects(self) -> dict[int, float]:
        """Return the running calls that may have ended the process, with their durations in seconds.

        A long poll only waits for what other threads do, so it is none, unless nothing else was running.
        """
        entries = self._entries()
        return {call: seconds for call, seconds in entries if not call & _LONG_POLL} or self.running()

    def _entries(self) -> list[tuple[int, float]]:
        now = time.monotonic()
        return [(call, now - started) for call, started in _ENTRY.iter_unpack(self._memory) if call]
