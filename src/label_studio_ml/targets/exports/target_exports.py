"""The methods of targets that write them in a format of others, or return them as arrays."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from label_studio_ml.targets.exports.exported import ExportedTargets

if TYPE_CHECKING:
    import pandas

    from label_studio_ml.targets.exports.pictures.yolo_export import YoloTask
    from label_studio_ml.targets.exports.word_tokens import Tokenize


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
        from label_studio_ml.targets.exports.pictures.coco_export import write_coco

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
        from label_studio_ml.targets.exports.pictures.yolo_export import write_yolo

        return write_yolo(self, folder, val=val, task=task)

    def to_conll(self, file: Path | str | None = None, *, tokenize: "Tokenize | None" = None) -> Path:
        """Write the spans of texts as a CoNLL-2003 file with BIO tags. Return its path.

        An empty line ends a sentence, which a blank line in the text does. The tokens are words and single signs, cut
        where a span begins or ends; or what `tokenize` returns for a text: the tokens in order, or their starts and
        ends. A token that is partly in a span is in it. Of spans that overlap, the longest is kept. White space in
        tokens and labels becomes `_`.

        Raises ValueError without a file outside of `fit` or for wrong tokens, FileExistsError, and LabelConfigError for
        a control that is no `<Labels>` on a text.
        """
        from label_studio_ml.targets.exports.conll_export import write_conll

        return write_conll(self, file, tokenize=tokenize)

    def to_hf(self, folder: Path | str | None = None, *, tokenize: "Tokenize | None" = None) -> Any:
        """Return a `datasets.Dataset` of Hugging Face, whose rows are in `folder` rather than in memory.

        Choices and numbers have a `label` (or `labels`), spans `tokens` and `ner_tags` as in `to_conll`, boxes
        `objects` with `bbox` (left, top, width, height) and `category`, segments of audio `segments` with `start` and
        `end` in seconds. The content of pictures and sounds is stored in the dataset.

        Raises ModuleNotFoundError if the library is not installed, ValueError without a folder outside of `fit`,
        FileExistsError, and LabelConfigError for a control that there is no usual form for.
        """
        from label_studio_ml.targets.exports.hugging_face import hugging_face_dataset

        return hugging_face_dataset(self, folder, tokenize=tokenize)

    def to_pandas(self) -> "pandas.DataFrame":
        """Return a data frame with a row for each region, or for each example of values of the whole task.

        All rows are in memory. The columns depend on the control alone: `task_id`, `annotation_id`, `annotator`,
        `ground_truth`, `item`, `value`, `path` and `label`; those of regions also `region_id`, `labels`, `values` and
        their numbers, such as `xmin`, `start` or `points`; a mask is COCO's run-length code.
        """
        from label_studio_ml.targets.exports.data_frame import data_frame

        return data_frame(self)

    def to_arrays(self) -> Any:
        """Return lists and arrays to train on: `(x, y, classes)` of choices, `(x, y)` of ratings and numbers, and
        `(x, boxes, labels, classes)` of boxes on pictures.

        The type is `ClassifierArrays`, `NumberArrays` or `DetectorArrays` (`targets.exports.target_arrays`). All of it
        is in memory. `x` are texts or the paths of files. Tasks without a choice or number are left out.
        Raises LabelConfigError for other controls.
        """
        from label_studio_ml.targets.exports.target_arrays import target_arrays

        return target_arrays(self)
