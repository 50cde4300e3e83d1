"""Capacity accounting of a spool: number and size of its events, and admission of new ones.

The counts change as files are written and removed; the folder is listed from time to time for the files of other
servers. Events without login may use a share of the capacity only, and are folded as in Redis (`untrusted_events`).
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
UNTRUSTED_SHARE = 0.25
#: Beginning of the message about a folder that is not writable; the cause follows.
FOLDER_UNUSABLE = "Events cannot be kept on this server's disk while Redis is unavailable"
#: Suffix of the names of events without login.
UNTRUSTED_SUFFIX = "-u"


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
    content_key: tuple[str, str] | None = None


class SpoolCapacity:
    """Capacity of the spool in `folder`: at most `events` events with `max_bytes` bytes in all.

    Safe to use from several threads.
    """

    def __init__(self, folder: Path, events: int, max_bytes: int) -> None:
        self._folder = folder
        self._max_events, self._max_bytes = events, max_bytes
        self._lock = threading.Lock()
        self._files: dict[str, _File] = {}
        self._content_keys: set[tuple[str, str]] = set()
        self._bytes = self._untrusted_events = self._untrusted_bytes = 0
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
        if len(self._files) >= self._max_events:
            return (
                f"{plural(len(self._files), 'event waits', 'events wait')} on this server's disk for Redis, "
                f"and no more are kept (SPOOL_EVENTS={self._max_events})"
            )
        if self._bytes >= self._max_bytes:
            return self._size_problem()
        return ""

    def check(self) -> None:
        """Raise SpoolFull if the spool takes no more events."""
        if problem := self.problem:
            raise self._refusal(problem)

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
        content_key = (event.uid, digest(event))
        with self._lock:
            if content_key in self._content_keys:
                return None
            exceeds_share = self._untrusted_events >= self._max_events * UNTRUSTED_SHARE
            exceeds_share = (
                exceeds_share or self._untrusted_bytes + len(content) > self._max_bytes * UNTRUSTED_SHARE
            )
            if exceeds_share or is_too_long(event.data) or is_beyond(event.data):
                content_key = (event.uid, "")  # one event stands for all beyond the limits
                if content_key in self._content_keys:
                    return None
                combined = Event("ANNOTATIONS_CREATED", event.uid, "", "", beyond(event))
                spooled = msgspec.structs.replace(spooled, event=combined)
                content = msgspec.json.encode(spooled)
            name += UNTRUSTED_SUFFIX
            self._add(name, _File(len(content), content_key))
        return spooled, name, content

    def _add(self, name: str, file: _File) -> None:
        if len(self._files) >= self._max_events:
            raise self._refusal(self.problem)
        if self._bytes + file.size > self._max_bytes:
            raise self._refusal(self._size_problem())
        self._count(name, file)

    def _count(self, name: str, file: _File) -> None:
        self._files[name] = file
        self._bytes += file.size
        if name.endswith(UNTRUSTED_SUFFIX):
            self._untrusted_events += 1
            self._untrusted_bytes += file.size

    def written(self, name: str) -> None:
        """Fold later events with the same content into the event `name` from now on, because it is on the disk."""
        with self._lock:
            file = self._files.get(name)
            if file is not None and file.content_key is not None:
                self._content_keys.add(file.content_key)

    def _refusal(self, problem: str) -> SpoolFull:
        self.refused += 1
        return SpoolFull(problem, fix="Bring Redis back, or raise SPOOL_EVENTS and SPOOL_MB")

    def _size_problem(self) -> str:
        limit_mb = self._max_bytes >> 20
        return (
            f"Events that wait on this server's disk for Redis have {self._bytes >> 20} MiB, and no more are kept "
            f"(SPOOL_MB={limit_mb})"
        )

    def begin(self, name: str) -> None:
        """Fold no more events into the event `name`, because its delivery begins."""
        with self._lock:
            file = self._files.get(name)
            if file is not None and file.content_key is not None:
                self._content_keys.discard(file.content_key)
                self._files[name] = _File(file.size)

    def remove(self, name: str) -> None:
        """Subtract an event whose file is gone."""
        with self._lock:
            file = self._files.pop(name, None)
            if file is None:
                return
            self._bytes -= file.size
            if name.endswith(UNTRUSTED_SUFFIX):
                self._untrusted_events -= 1
                self._untrusted_bytes -= file.size
            if file.content_key is not None:
                self._content_keys.discard(file.content_key)

    def written_names(self, reserved: set[str]) -> set[str]:
        """Return the names of the counted events, except the reserved names `reserved`, which may not be written yet.

        The caller must ensure that no name is reserved between its reading of `reserved` and this call.
        """
        with self._lock:
            return {name for name in self._files if name.removesuffix(UNTRUSTED_SUFFIX) not in reserved}

    def recount(self, counted: set[str]) -> list[str]:
        """Count the files in the folder, other servers' included; return their names in order of their arrival.

        `counted` is the result of `written_names` before the call: names in it without a file are subtracted.
        """
        sizes: dict[str, int] = {}
        with contextlib.suppress(OSError), os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.endswith(".json"):
                    name = entry.name.removesuffix(".json")
                    sizes[name] = 0 if name in counted else _size(entry)
        for name in counted - sizes.keys():
            self.remove(name)
        with self._lock:
            for name, size in sizes.items():
                if name not in self._files:
                    self._count(name, _File(size))
        return sorted(sizes)


def _size(entry: "os.DirEntry[str]") -> int:
    try:
        return entry.stat().st_size
    except OSError:
        return 0
