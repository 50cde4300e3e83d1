"""Split tasks into a training and a test part by a hash, so that tasks stay in their part as the set grows."""

import hashlib
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from label_studio_ml.support.arguments import wrong

#: How tasks are grouped: by the name of a field of their data, or by a function of the task.
By = str | Callable[[dict[str, Any]], Any]


@dataclass(frozen=True)
class Split:
    """A test part with about the share `test` (between 0 and 1) of the tasks.

    A hash of project, `seed`, `depth` and task decides; with `by`, tasks of one group stay together. `depth` is the
    nesting level if a part is split again: the hashes of the levels are independent. Raises ValueError if `test` is
    not between 0 and 1, or a value has the wrong type.
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
        """Tell whether `task` is in the test part."""
        values = [self.depth, str(self.seed), self.project, *self._key(task)]
        text = msgspec.json.encode(values, enc_hook=str, order="deterministic")
        number = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
        return number < self.test * 2.0**64

    def has_field(self, task: dict[str, Any]) -> bool:
        """Tell whether the task has the field that `by` names; True if `by` names no field."""
        return not isinstance(self.by, str) or (task.get("data") or {}).get(self.by) is not None

    def _key(self, task: dict[str, Any]) -> tuple[str, Any]:
        """Return the key to hash: the group of the task, or its id if it has no group."""
        group = None
        if callable(self.by):
            group = self.by(task)
        elif self.by is not None:
            group = (task.get("data") or {}).get(self.by)
        return ("task", task.get("id")) if group is None else ("group", group)
