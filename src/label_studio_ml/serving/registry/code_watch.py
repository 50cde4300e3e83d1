"""Detect edits of the model's files, for `start --reload`."""

from collections.abc import Callable
from pathlib import Path

from label_studio_ml.storage.small_files import is_passing
from label_studio_ml.user_code.code_identity import CodeIdentity, signature


class CodeWatch:
    """Watches the model file and the modules that it imports from its folder. `on_disk` identifies them now."""

    def __init__(self, script: Path, on_disk: Callable[[], CodeIdentity]) -> None:
        self._script = script
        self._on_disk = on_disk
        code = on_disk()
        self._hash = code.hash
        self._files = code.files
        self._reported = self._last_seen = signature(script, self._files)

    def changed(self) -> bool:
        """Return whether the code has changed since the last call that returned True.

        Files that changed since the last call may still be written: they count once a later call finds them
        unchanged. A model file that is not valid Python any more counts as changed.
        """
        if self._is_out_of_reach():
            return False
        current = signature(self._script, self._files)
        if current == self._reported:
            return False
        if current != self._last_seen:
            self._last_seen = current
            return False
        code = self._on_disk()
        if not code.hash and self._is_out_of_reach():
            return False
        previous_hash, self._hash = self._hash, code.hash
        if code.hash:
            self._files = code.files
        self._reported = self._last_seen = signature(self._script, self._files)
        return not code.hash or code.hash != previous_hash

    def _is_out_of_reach(self) -> bool:
        """Return whether the model file cannot be read for a temporary reason, such as too many open files."""
        try:
            with self._script.open("rb"):
                return False
        except OSError as error:
            return is_passing(error)
