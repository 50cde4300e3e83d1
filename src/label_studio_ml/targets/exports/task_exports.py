"""The methods of labelled tasks that export the targets of one control."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from label_studio_ml.controls.control import Control
from label_studio_ml.targets.exports.target_exports import TargetExports

if TYPE_CHECKING:
    import pandas

    from label_studio_ml.targets.exports.pictures.yolo_export import YoloTask
    from label_studio_ml.targets.exports.word_tokens import Tokenize


class _HasTargets(Protocol):
    def targets(self, control: Control, *args: Any, **options: Any) -> TargetExports:
        """Return the targets of a control."""


class TaskExports:
    """Exports of labelled tasks: those of `targets(control)`, whose arguments are taken, too."""

    def to_coco(
        self: _HasTargets,
        control: Control,
        folder: Path | str | None = None,
        *,
        images: bool = True,
        **options: Any,
    ) -> Path:
        """Write a COCO dataset of what `control` says: see `Targets.to_coco`. `options` are those of `targets`."""
        return self.targets(control, **options).to_coco(folder, images=images)

    def to_yolo(
        self: _HasTargets,
        control: Control,
        folder: Path | str | None = None,
        *,
        val: _HasTargets | None = None,
        task: "YoloTask | None" = None,
        **options: Any,
    ) -> Path:
        """Write a folder for YOLO of what `control` says: see `Targets.to_yolo`. `options` are those of `targets`.

        `val` are the labelled tasks to validate on, such as the other half of a split.
        """
        validation = val.targets(control, **options) if val is not None else None
        return self.targets(control, **options).to_yolo(folder, val=validation, task=task)

    def to_conll(
        self: _HasTargets,
        control: Control,
        file: Path | str | None = None,
        *,
        tokenize: "Tokenize | None" = None,
        **options: Any,
    ) -> Path:
        """Write a CoNLL file of what `control` says: see `Targets.to_conll`. `options` are those of `targets`."""
        return self.targets(control, **options).to_conll(file, tokenize=tokenize)

    def to_hf(
        self: _HasTargets,
        control: Control,
        folder: Path | str | None = None,
        *,
        tokenize: "Tokenize | None" = None,
        **options: Any,
    ) -> Any:
        """Return a dataset of what `control` says: see `Targets.to_hf`. `options` are those of `targets`."""
        return self.targets(control, **options).to_hf(folder, tokenize=tokenize)

    def to_pandas(self: _HasTargets, control: Control, **options: Any) -> "pandas.DataFrame":
        """Return a data frame of what `control` says: see `Targets.to_pandas`. `options` are those of `targets`."""
        return self.targets(control, **options).to_pandas()

    def to_arrays(self: _HasTargets, control: Control, **options: Any) -> Any:
        """Return arrays of what `control` says: see `Targets.to_arrays`. `options` are those of `targets`."""
        return self.targets(control, **options).to_arrays()
