"""One prediction made by the builders: opened in the labelling page, accepted, and read back as targets."""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from label_studio_ml import regions
from label_studio_ml.controls import Control
from label_studio_ml.regions import Region
from label_studio_ml.targets import TargetRegion
from label_studio_ml.training.dataset import LabelledTasks

from ..processes import wait_until
from ..studio import Json
from .labelling import Labelling


def open_prediction(labelling: Labelling, config: str, data: Json, built: Iterable[Region | None]) -> None:
    """Import a task with a prediction of the built regions and open it."""
    labelling.open(config, data, regions.prediction(*built)["result"])


def assert_drawn(measure: Callable[[], Any], expected: Any) -> None:
    """Assert what is measured in the page, at the latest after a while: it draws when it finds the time."""
    measured: list[Any] = []

    def holds() -> bool:
        measured[:] = [measure()]
        return bool(measured[0] == expected)

    with contextlib.suppress(AssertionError):
        wait_until(holds, "the page has drawn it")
    assert measured[0] == expected, f"{measured[0]!r} is drawn, not {expected!r}"


class Accepted:
    """The annotation that was submitted from the open prediction, as Label Studio's API gives it."""

    def __init__(self, labelling: Labelling) -> None:
        labelling.submit()
        self.tasks = LabelledTasks.from_tasks([labelling.studio.get_task(labelling.task)])

    def example(self, control: Control, **options: Any) -> Any:
        """Return what the control says in the annotation."""
        (example,) = self.tasks.targets(control, files=False, **options)
        return example

    def regions(self, control: Control, **options: Any) -> Mapping[str, TargetRegion]:
        """Return the targets of the control's regions by the regions' ids."""
        return {target.id: target for target in self.example(control, **options).regions}
