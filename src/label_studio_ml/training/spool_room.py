"""How many events a spool holds, how many bytes, and whether one more may be added.

The numbers are counted as files come and go: the folder is listed at the start, and now and then for the files of other
servers. Events that came without login have a share of the room only, and are folded as they are in Redis
(`untrusted`).
"""

import contextlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import msgspec

from label_studio_ml.errors import SpoolFull
from label_studio_ml.protocol import Event
from label_studio_ml.texts import plural
from label_studio_ml.training.untrusted import beyond, digest, is_beyond, is_too_long

#: How much of a spool may be events that came without login.
SHARE = 0.25
#: What a folder that cannot be written to means for events; what is wrong with it follows.
UNUSABLE = "Events cannot be kept on this server's disk while Redis is away"
#: What the names of their files end in.
STRANGE = "-u"


class Spooled(msgspec.Struct, frozen=True):
    """One event with what `hand_in` was told of it, and the token that it was tried with, if it was."""

    event: Event
    trusted: bool
    train: bool
    token: str


@dataclass(frozen=True, slots=True)
class _File:
    """A file that was counted: its bytes, and what it says (project, digest) if it is not trusted."""

    size: int
    says: tuple[str, str] | None = None


class SpoolRoom:
    """The room of the spool in `folder`: so many `events` with so many `most_bytes`. Threads may share it."""

    def __init__(self, folder: Path, events: int, most_bytes: int) -> None:
        self._folder = folder
        self._most_events, self._most_bytes = events, most_bytes
        self._lock = threading.Lock()
        self._files: dict[str, _File] = {}
        self._said: set[tuple[str, str]] = set()
        self._bytes = self._strange = self._strange_bytes = 0
        #: How many events were refused since the start because it was full.
        self.refused = 0

    @property
    def events(self) -> int:
        """How many events are kept."""
        return len(self._files)

    @property
    def size(self) -> int:
        """How many bytes they have."""
        return self._bytes

    @property
    def problem(self) -> str:
        """Why no further event is kept, empty if one is."""
        if len(self._files) >= self._most_events:
            return (
                f"{plural(len(self._files), 'event waits', 'events wait')} on this server's disk for Redis, "
                f"and no more are kept (SPOOL_EVENTS={self._most_events})"
            )
        if self._bytes >= self._most_bytes:
            return self._full_of_bytes()
        return ""

    def check(self) -> None:
        """Raise SpoolFull if no further event is kept."""
        if problem := self.problem:
            raise self._full(problem)

    def admit(self, spooled: Spooled, name: str) -> tuple[Spooled, str, bytes] | None:
        """Count an event that is to be kept as `name`; return what is kept, under which name, and its content.

        None if one that waits says the same; `written` is to be called when this one is on the disk. Raises SpoolFull
        where there is no room.
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
                says = (event.uid, "")  # one for all that is too much
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
        """Let later events that say the same as the one called `name` be folded into it: it is on the disk."""
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
        """Let no later event count as the same as the one called `name`: it is being handed over."""
        with self._lock:
            file = self._files.get(name)
            if file is not None and file.says is not None:
                self._said.discard(file.says)
                self._files[name] = _File(file.size)

    def remove(self, name: str) -> None:
        """Count an event that is not kept any more."""
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
        """Return the names of the events that are counted, without those that are being written: `coming`.

        No event may begin to be written between the look at those and this call.
        """
        with self._lock:
            return {name for name in self._files if name.removesuffix(STRANGE) not in coming}

    def recount(self, before: set[str]) -> list[str]:
        """Look which files are there, those of other servers too; return their names in the order in which they came.

        `before` is what `written_names` said: what is not there of it any more is not counted any more.
        """
        found: dict[str, int] = {}
        with contextlib.suppress(OSError), os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.endswith(".json"):
                    name = entry.name.removesuffix(".json")
                    found[name] = 0 if name in before else _size(entry)
        for name in before - found.keys():
            self.remove(name)
        with self._lock:
            for name, size in found.items():
                if name not in self._files:
                    self._put(name, _File(size))
        return sorted(found)


def _size(entry: "os.DirEntry[str]") -> int:
    try:
        return entry.stat().st_size
    except OSError:
        return 0
