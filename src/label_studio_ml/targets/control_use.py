"""Notice that annotations were made with another label config: none has anything of a control."""

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any

from label_studio_ml.controls.control import Control
from label_studio_ml.support.texts import plural
from label_studio_ml.targets.region_entries import Entries

logger = logging.getLogger(__name__)

#: The most names of other controls that are counted.
_MOST_NAMES = 20


class ControlUse:
    """Counts which controls annotations have entries of, until one has an entry of `control`.

    A control that was renamed makes all annotations look as if annotators had found nothing.
    """

    def __init__(self, control: Control) -> None:
        self._control = control
        self._annotations = 0
        self._names: Counter[str] = Counter()
        self._is_used = False

    def count(self, task: Mapping[str, Any]) -> None:
        """Count what the annotations of a task have."""
        if self._is_used:
            return
        for annotation in task.get("annotations") or []:
            self._annotations += 1
            names = Entries(annotation).control_names()
            self._is_used = self._is_used or self._control.name in names
            self._names.update(
                name for name in names if name in self._names or len(self._names) < _MOST_NAMES
            )

    def log(self) -> None:
        """Log a warning if no annotation has an entry of the control, but there are some of others."""
        if self._is_used or not self._names:
            return
        others = ", ".join(f"{name!r} ({count})" for name, count in self._names.most_common())
        logger.warning(
            "None of the %s has anything of %s; they have entries of: %s. If the control was renamed, train with the "
            "label config that the annotations were made with, or rename it in them",
            plural(self._annotations, "annotation"),
            self._control,
            others,
        )
