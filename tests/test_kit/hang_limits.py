"""Limits of calls that are short only for a process that says of itself that it hangs."""

import os
from dataclasses import dataclass
from pathlib import Path

from label_studio_ml.test_kit.child_plan import CallKind
from label_studio_ml.test_kit.child_runner import Limits

_MARKER = ".hangs"
#: An expression for model files that says that this process hangs from now on.
HANGS = f"Path(__file__).with_name('{_MARKER}').write_text(str(__import__('os').getpid()))"


@dataclass(frozen=True)
class HangLimits(Limits):
    """The usual limits, but `hanging` seconds for some calls of a process that has evaluated `HANGS` in `folder`.

    These are calls of predict and cancelled ones of fit. Others, on a slow machine too, are thus not taken for one that
    hangs.
    """

    folder: Path = Path()
    hanging: float = 0.5

    def of(self, kind: CallKind) -> float:
        """Return the seconds for a call."""
        is_hanging = kind in (CallKind.PREDICT, CallKind.CANCELLED_FIT) and self._hangs()
        return self.hanging if is_hanging else super().of(kind)

    def _hangs(self) -> bool:
        try:
            os.kill(int((self.folder / _MARKER).read_text()), 0)
        except (OSError, ValueError):  # none hangs, or the one that did has been ended
            return False
        return True
