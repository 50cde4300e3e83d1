"""The methods of targets that write them in a format of others, or return them as arrays."""

from pathlib import Path
from typing import TYPE_CHECKING

from label_studio_ml.targets.exports.exported import ExportedTargets

if TYPE_CHECKING:
    from label_studio_ml.targets.exports.yolo_export import YoloTask


class TargetExports(ExportedTargets):
    """What `Targets` can be exported to. Only the module of the format that is asked for is imported.

    Folders and files must not exist yet; a folder may be empty. Within `fit`, they are in the working folder if none is
    given. What an export leaves out is logged with its number.
    """

    def to_coco(self, folder: Path | str | None = None, *, images: bool = True) -> Path:
        """Write a COCO dataset of pictures: `annotations.json`, and `images/`. Return the path of the folder.

        The pictures are hard links to the cached files if possible, else copies: do not change them in place. With
        `images=False` they stay where they are, and `file_name` is the path (with `files=False` the URL). Boxes,
        ellipses and polygons have a polygon as segmentation, masks a run-length code; what is outside of the picture is
        cut off. Key points are objects, see `point_groups`.

        Raises ValueError without a folder outside of `fit`, FileExistsError, and LabelConfigError for a control that
        COCO has no form for.
        """
        from label_studio_ml.targets.exports.coco_export import write_coco

        return write_coco(self, folder, images=images)

    def to_yolo(
        self,
        folder: Path | str | None = None,
        *,
        val: ExportedTargets | None = None,
        task: "YoloTask | None" = None,
    ) -> Path:
        """Write a folder that Ultralytics trains on with its `data.yaml`. Return the path of the folder.

        `val` are the targets to validate on; without them, `data.yaml` names the pictures of the training. `task` is
        `"detect"` (upright boxes), `"segment"` (polygons), `"obb"` (turned boxes) or `"pose"`; by default the one that
        the control is for, which is `"detect"` for boxes. The pictures are as in `to_coco`.

        Raises ValueError without a folder outside of `fit` or for a `task` that the control has nothing for,
        FileExistsError, and LabelConfigError for a control that YOLO has no form for.
        """
        from label_studio_ml.targets.exports.yolo_export import write_yolo

        return write_yolo(self, folder, val=val, task=task)
