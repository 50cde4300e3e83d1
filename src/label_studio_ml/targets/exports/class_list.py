"""The classes of an export, in their order; and the count of what an export leaves out."""

import logging
from collections import Counter
from collections.abc import Iterable

from label_studio_ml.targets.exports.exported import ExportedTargets
from label_studio_ml.targets.target_regions import TargetRegion

logger = logging.getLogger(__name__)

UNLABELLED = "regions without a label"


class ClassList:
    """Names of classes by index: those known first, then others as they appear.

    `default` is the class of regions without a label; None if they have none.
    """

    def __init__(self, names: Iterable[str] = (), default: str | None = None) -> None:
        self._indices = {name: index for index, name in enumerate(dict.fromkeys(names))}
        self._default = default

    @classmethod
    def of(cls, targets: ExportedTargets) -> "ClassList":
        """Return the classes of targets, in the order of the label config.

        Regions of a control without labels are of a class with the control's name, unless they have a label.
        """
        names = targets.label_names
        return cls(names, None if names else targets.control.name)

    @property
    def names(self) -> list[str]:
        """The names, by index."""
        return list(self._indices)

    def index(self, label: str | None) -> int | None:
        """Return the index of a label's class, a new one if it is not known; None for a region without a class."""
        name = self._default if label is None else label
        return None if name is None else self._indices.setdefault(name, len(self._indices))

    def index_of(self, region: TargetRegion, omitted: "Omitted") -> int | None:
        """Return the index of a region's class; None, and counted in `omitted`, if it has none."""
        index = self.index(region.label)
        if index is None:
            omitted.add(UNLABELLED)
        return index


class Omitted:
    """Counts of what an export leaves out, by a description in the plural."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def add(self, description: str) -> None:
        """Count one more."""
        self.counts[description] += 1

    def log(self, export: str) -> None:
        """Log the counts as a warning, if there are any."""
        if self.counts:
            sums = ", ".join(f"{count} {description}" for description, count in self.counts.items())
            logger.warning("%s leaves out: %s", export, sums)
