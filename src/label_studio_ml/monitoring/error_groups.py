"""Errors of one process, grouped: how often each has happened, when, and for which tasks.

Errors of one project whose messages differ in numbers and ids only are one group. Groups are kept in memory until they
are published for all servers (`reports.error_records`).
"""

import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Literal

import msgspec

Kind = Literal[
    "prediction",  # `predict` raised, or a task has no prediction
    "invalid_prediction",  # Label Studio cannot show a prediction
    "model_process",  # a model process ended unexpectedly
    "model_load",  # a model or a version could not be built
    "deadline",  # a prediction came too late
    "overload",  # the queue was full
    "request",  # another request failed
    "events",  # an event of Label Studio could not be kept
    "training",  # a training failed
    "interrupted_training",  # a training broke off, and a later one has its events
    "prediction_job",  # a worker could not predict tasks of a project
    "studio",  # a training could not read Label Studio
]

#: Groups that are kept; the one that has not happened for the longest time is removed first.
MAX_GROUPS = 200
#: Task ids of a group, the latest first.
MAX_TASKS = 5
#: Characters of a message, of a fix, and of the other texts, beyond which they are cut.
MAX_MESSAGE, MAX_FIX, MAX_TEXT = 1000, 500, 200

_DIGITS = frozenset("0123456789")
#: What is left of a number with separators, such as 1,200.5.
_SEPARATED = re.compile("#(?:[.,]#)+")


class ErrorGroup(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A group of equal errors.

    `message` is that of the latest error, `fix` says what to do. `field` names what is wrong, such as a field of the
    request, `code` is that of the error, empty if it has none. `project` is a uid, empty if no project is known.
    `version` is the name of the model version, `job` the id of the training, `server` the host that the latest error is
    from. `tasks` are ids of tasks, the latest first. `count` is the number of errors, `first` and `last`
    are times in ms since 1970.
    """

    id: str
    kind: str
    message: str
    fix: str = ""
    field: str = ""
    code: str = ""
    project: str = ""
    version: str = ""
    job: str = ""
    server: str = ""
    tasks: list[str] = []
    count: int = 1
    first: int = 0
    last: int = 0


class ErrorGroups:
    """The groups of one process, at most `limit`. `server` names its host, `now` returns the time in seconds.

    Not thread-safe: a server uses it on its event loop.
    """

    def __init__(
        self, server: str = "", *, limit: int = MAX_GROUPS, now: Callable[[], float] = time.time
    ) -> None:
        self.server = server
        self._limit = limit
        self._now = now
        #: By id, the group of the latest error last.
        self._groups: OrderedDict[str, ErrorGroup] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of groups."""
        return len(self._groups)

    def add(
        self,
        kind: Kind,
        message: str,
        *,
        fix: str = "",
        field: str = "",
        code: str = "",
        project: str = "",
        version: str = "",
        job: str = "",
        tasks: Sequence[str] = (),
        count: int = 1,
    ) -> None:
        """Count `count` errors with one message; `tasks` are ids of tasks that they happened for."""
        message, project = _cut(message, MAX_MESSAGE), _cut(project, MAX_TEXT)
        now = round(self._now() * 1000)
        self.merge(
            [
                ErrorGroup(
                    id=group_id(kind, project, message),
                    kind=kind,
                    message=message,
                    fix=_cut(fix, MAX_FIX),
                    field=_cut(field, MAX_TEXT),
                    code=code,
                    project=project,
                    version=_cut(version, MAX_TEXT),
                    job=_cut(job, MAX_TEXT),
                    server=self.server,
                    tasks=[_cut(task, MAX_TEXT) for task in tasks[:MAX_TASKS]],
                    count=count,
                    first=now,
                    last=now,
                )
            ]
        )

    def merge(self, groups: Iterable[ErrorGroup]) -> None:
        """Add groups, also those of other processes or of earlier calls of `take`."""
        for group in groups:
            other = self._groups.get(group.id)
            self._groups[group.id] = group if other is None else merged(other, group)
            self._groups.move_to_end(group.id)
        while len(self._groups) > self._limit:
            self._groups.popitem(last=False)

    def take(self) -> list[ErrorGroup]:
        """Remove all groups and return them, that of the latest error last."""
        groups, self._groups = list(self._groups.values()), OrderedDict()
        return groups

    def all(self) -> list[ErrorGroup]:
        """Return all groups, that of the latest error first."""
        return sorted(self._groups.values(), key=lambda group: -group.last)

    def remove(self, ids: Iterable[str]) -> None:
        """Remove the groups with these ids."""
        for group_id in ids:
            self._groups.pop(group_id, None)

    def forget(self, project: str) -> None:
        """Remove the groups of a project."""
        self.remove([group.id for group in self._groups.values() if group.project == project])


def merged(one: ErrorGroup, other: ErrorGroup) -> ErrorGroup:
    """Return two groups with the same id as one: texts of the one with the latest error, tasks of both."""
    older, newer = (one, other) if one.last <= other.last else (other, one)
    return msgspec.structs.replace(
        newer,
        tasks=list(dict.fromkeys([*newer.tasks, *older.tasks]))[:MAX_TASKS],
        count=one.count + other.count,
        first=min(one.first, other.first),
    )


@lru_cache(maxsize=512)
def group_id(kind: str, project: str, message: str) -> str:
    """Return the id of the group of an error: equal for messages that differ in words with digits only."""
    text = "\0".join((kind, project, _without_numbers(message)))
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()


def _without_numbers(message: str) -> str:
    """Return a message with `#` for each run of letters, digits, `-` and `_` that has a digit, such as a job's id."""
    words = "".join("#" if any(char in _DIGITS for char in word) else word for word in _words(message))
    return _SEPARATED.sub("#", words)


def _words(text: str) -> Iterable[str]:
    """Yield the parts of a text: words of letters, digits, `-` and `_`, and the characters between them."""
    start, in_word = 0, False
    for position, char in enumerate(text):
        is_part = char.isalnum() or char in "-_"
        if is_part != in_word:
            yield text[start:position]
            start, in_word = position, is_part
    yield text[start:]


def _cut(text: str, most: int) -> str:
    """Return text of at most `most` characters, with `?` for halves of characters, which UTF-8 cannot hold."""
    text = text if len(text) <= most else f"{text[: most - 1]}…"
    return text.encode("utf-8", "replace").decode()
