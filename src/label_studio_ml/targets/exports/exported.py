"""What the exports need of a collection of targets."""

import abc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from label_studio_ml.controls.control import Control
from label_studio_ml.targets.example_types import Example
from label_studio_ml.targets.target_regions import TargetRegion


class ExportedOptions(Protocol):
    """The arguments of `annotations.targets` that exports depend on."""

    @property
    def annotation(self) -> str:
        """Which annotations of a task are examples."""

    @property
    def files(self) -> bool:
        """Whether the files of tasks are fetched."""

    @property
    def labels_control(self) -> Control | None:
        """The `<Labels>` that names the regions of a control without labels."""


class ExportedTargets(abc.ABC):
    """Examples of one control, which can be iterated repeatedly.

    `workdir` is the folder that exports are written to unless they are given another one; None outside of `fit`.
    """

    control: Control
    options: ExportedOptions
    workdir: Path | None

    @property
    @abc.abstractmethod
    def example_type(self) -> type[Example]:
        """The type of the examples."""

    @property
    @abc.abstractmethod
    def region_type(self) -> type[TargetRegion] | None:
        """The type of the examples' regions; None if they are values of whole tasks."""

    @abc.abstractmethod
    def __iter__(self) -> Iterator[Any]:
        """Yield the examples."""

    @property
    def label_names(self) -> list[str]:
        """The names of the labels in the order of the label config; empty if it does not list them."""
        return (self.options.labels_control or self.control).label_names
