"""Capacity accounting of a spool: number and size of its events, and admission of new ones.

The counts change as files are written and removed; the folder is listed from time to time for the files of other
servers. Events without login may use a share of the capacity only, and are folded as in Redis (`untrusted`).
"""

import contextlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import msgspec

from label_studio_ml.errors import SpoolFull
from label_studio_ml.protocol.requests import Event
from label_studio_ml.support.texts import plural
from label_studio_ml.training.records.untrusted_events import beyond, digest, is_beyond, is_too_long

#: The share of a spool's capacity for events without login.
SHARE = 0.25
#: Beginning of the message about a folder that is not writable; the cause follows.
UNUSABLE = "Events cannot be kept on this server's disk while Redis is away"
#: Suffix of the names of events without login.
STRANGE = "-u"


class Spooled(msgspec.Struct, frozen=True):
    """One event in the spool, with the arguments of `hand_in`, and the token that it is stored with in Redis."""

    event: Event
    trusted: bool
    train: bool
    token: str


@dataclass(frozen=True, slots=True)
class _File:
    """A counted file: its size in bytes, and (project, digest) if other events may be folded into it, else None.

    The digest is empty for the event that stands for all events beyond the limits.
    """

    size: int
    says: tuple[str, str] | None = None


class SpoolCapacity:
    """Capacity of the spool in `folder`: at most `events` events with `most_bytes` bytes in all.

    Safe to use from several threads.
    """

    def __init__(self, folder: Path, events: int, most_bytes: int) -> None:
        self._folder = folder
        self._most_events, self._most_bytes = events, most_bytes
        self._lock = threading.Lock()
        self._files: dict[str, _File] = {}
        self._said: set[tuple[str, str]] = set()
        self._bytes = self._strange = self._strange_bytes = 0
        #: The number of events refused since the start because the spool was full.
        self.refused = 0

    @property
    def events(self) -> int:
        """The number of events."""
        return len(self._files)

    @property
    def size(self) -> int:
        """The total size of the events in bytes."""
        return self._bytes

    @property
    def problem(self) -> str:
        """Why the spool takes no more events, empty if it does."""
        if len(self._files) >= self._most_events:
            return (
                f"{plural(len(self._files), 'event waits', 'events wait')} on this server's disk for Redis, "
                f"and no more are kept (SPOOL_EVENTS={self._most_events})"
            )
        if self._bytes >= self._most_bytes:
            return self._full_of_bytes()
        return ""

    def check(self) -> None:
        """Raise SpoolFull if the spool takes no more events."""
        if problem := self.problem:
            raise self._full(problem)

    def admit(self, spooled: Spooled, name: str) -> tuple[Spooled, str, bytes] | None:
        """Count an event that is to be written as `name`; return the event to write, its name and its content.

        Both may differ from the arguments for an event without login. Returns None if that event is folded: one with
        the same content is in the spool. After the write, `written` must be called. Raises SpoolFull.
        """
        content = msgspec.json.encode(spooled)
        if spooled.trusted:
            with self._lock:
                self._add(name, _File(len(content)))
            return spooled, name, content
        event = spooled.event
        says = (event.uid, digest(event))
        with self._lock:
            if says in self._said:
                return None
            share = self._strange >= self._most_events * SHARE
            share = share or self._strange_bytes + len(content) > self._most_bytes * SHARE
            if share or is_too_long(event.data) or is_beyond(event.data):
                says = (event.uid, "")  # one event stands for all beyond the limits
                if says in self._said:
                    return None
                rest = Event("ANNOTATIONS_CREATED", event.uid, "", "", beyond(event))
                spooled = msgspec.structs.replace(spooled, event=rest)
                content = msgspec.json.encode(spooled)
            name += STRANGE
            self._add(name, _File(len(content), says))
        return spooled, name, content

    def _add(self, name: str, file: _File) -> None:
        if len(self._files) >= self._most_events:
            raise self._full(self.problem)
        if self._bytes + file.size > self._most_bytes:
            raise self._full(self._full_of_bytes())
        self._put(name, file)

    def _put(self, name: str, file: _File) -> None:
        self._files[name] = file
        self._bytes += file.size
        if name.endswith(STRANGE):
            self._strange += 1
            self._strange_bytes += file.size

    def written(self, name: str) -> None:
        """Fold later events with the same content into the event `name` from now on, because it is on the disk."""
        with self._lock:
            file = self._files.get(name)
            if file is not None and file.says is not None:
                self._said.add(file.says)

    def _full(self, problem: str) -> SpoolFull:
        self.refused += 1
        return SpoolFull(problem, fix="Bring Redis back, or raise SPOOL_EVENTS and SPOOL_MB")

    def _full_of_bytes(self) -> str:
        most = self._most_bytes >> 20
        return (
            f"Events that wait on this server's disk for Redis have {self._bytes >> 20} MiB, and no more are kept "
            f"(SPOOL_MB={most})"
        )

    def begin(self, name: str) -> None:
        """Fold no more events into the event `name`, because its delivery begins."""
        with self._lock:
            file = self._files.get(name)
            if file is not None and file.says is not None:
                self._said.discard(file.says)
                self._files[name] = _File(file.size)

    def remove(self, name: str) -> None:
        """Subtract an event whose file is gone."""
        with self._lock:
            file = self._files.pop(name, None)
            if file is None:
                return
            self._bytes -= file.size
            if name.endswith(STRANGE):
                self._strange -= 1
                self._strange_bytes -= file.size
            if file.says is not None:
                self._said.discard(file.says)

    def written_names(self, coming: set[str]) -> set[str]:
        """Return the names of the counted events, except the reserved names `coming`, which may not be written yet.

        The caller must ensure that no name is reserved between its reading of `coming` and this call.
        """
        with self._lock:
            return {name for name in self._files if name.removesuffix(STRANGE) not in coming}

    def recount(self, before: set[str]) -> list[str]:
        """Count the files in the folder, other servers' included; return their names in order of their arrival.

        `before` is the result of `written_names` before the call: names in it without a file are subtracted.
        """
        sizes: dict[str, int] = {}
        with contextlib.suppress(OSError), os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.endswith(".json"):
                    name = entry.name.removesuffix(".json")
                    sizes[name] = 0 if name in before else _size(entry)
        for name in before - sizes.keys():
            self.remove(name)
        with self._lock:
            for name, size in sizes.items():
                if name not in self._files:
                    self._put(name, _File(size))
        return sorted(sizes)


def _size(entry: "os.DirEntry[str]") -> int:
    try:
        return entry.stat().st_size
    except OSError:
        return 0
