"""Which half of a split a task belongs to: decided by a hash, so that it stays there as the set grows."""

import hashlib
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from label_studio_ml.arguments import wrong

#: What keeps tasks together: the name of a field of their data, or a function of the task.
By = str | Callable[[dict[str, Any]], Any]


@dataclass(frozen=True)
class Split:
    """A share `test` of the tasks, between 0 and 1, as a hash of project, `seed` and task (or group) chooses them.

    `depth` tells a split of a half from the split that made the half. Raises ValueError when `test` is no such share,
    or another value is of the wrong kind.
    """

    test: float
    seed: int | str
    by: By | None
    project: str
    depth: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.test, bool) or not isinstance(self.test, numbers.Real):
            raise wrong("test", "a share between 0 and 1, such as 0.2", self.test)
        if not 0 < self.test < 1:
            raise ValueError(f"test={self.test!r} is not a share between 0 and 1, such as 0.2")
        if not isinstance(self.seed, numbers.Integral | str):
            raise wrong("seed", "a whole number or text", self.seed)
        if self.by is not None and not isinstance(self.by, str) and not callable(self.by):
            raise wrong("by", "the name of a field of the tasks' data or a function of a task", self.by)

    def in_test(self, task: dict[str, Any]) -> bool:
        """Tell whether `task` is in the test half."""
        words = [self.depth, str(self.seed), self.project, *self._key(task)]
        text = msgspec.json.encode(words, enc_hook=str, order="deterministic")
        number = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
        return number < self.test * 2.0**64

    def has_field(self, task: dict[str, Any]) -> bool:
        """Tell whether the task has the field that keeps tasks together; always where no field is named."""
        return not isinstance(self.by, str) or (task.get("data") or {}).get(self.by) is not None

    def _key(self, task: dict[str, Any]) -> tuple[str, Any]:
        """Return what the task is told from others by; a task without a group is on its own."""
        group = None
        if callable(self.by):
            group = self.by(task)
        elif self.by is not None:
            group = (task.get("data") or {}).get(self.by)
        return ("task", task.get("id")) if group is None else ("group", group)
