"""What a generator knows about the value that it makes."""

import random
import re
from dataclasses import dataclass

from label_studio_ml.samples.output_files import Output


@dataclass(frozen=True)
class ValueContext:
    """One value of one task.

    `number` is the task's, from 0, which rotates kinds (scripts, formats of pictures). `path` is the field. `rng`
    gives the same numbers for the same seed, task and field.
    """

    number: int
    path: str
    rng: random.Random
    output: Output

    def place(self, content: bytes, extension: str, *, is_sound: bool = False) -> str:
        """Return the address of a file with this content.

        `extension` is that of its name, such as `png`. `is_sound` says that an `<Audio>` loads it.
        """
        stem = re.sub(r"\W+", "-", self.path).strip("-") or "data"
        return self.output.place(f"task-{self.number + 1:04}-{stem}", content, extension, is_sound=is_sound)
