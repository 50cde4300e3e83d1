"""COCO: a folder with `annotations.json`, for detection, segmentation or key points, and the pictures in `images/`."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import msgspec

from label_studio_ml.errors import LabelConfigError
from label_studio_ml.support.lone_surrogates import replaced
from label_studio_ml.targets.example_types import KeyPointExample, PictureExample
from label_studio_ml.targets.exports.class_list import ClassList, Omitted
from label_studio_ml.targets.exports.exported import ExportedTargets
from label_studio_ml.targets.exports.output_folder import file_stem, new_folder, output_path, place_picture
from label_studio_ml.targets.exports.pictures.picture_shapes import (
    NO_SIZE,
    OUTSIDE,
    has_shape,
    readable_shape,
    rounded,
    run_lengths,
)
from label_studio_ml.targets.exports.pictures.point_groups import groups_of, point_names

FILE = "annotations.json"
IMAGES = "images"
#: COCO's visibility of a key point that is labelled and can be seen. Label Studio has no other.
VISIBLE = 2


def write_coco(targets: ExportedTargets, folder: Path | str | None, *, images: bool) -> Path:
    """Write a COCO folder and return its path; the arguments and errors are those of `Targets.to_coco`.

    The memory does not grow with the number of pictures: while they are listed in the file, the annotations go to a
    second one, which is appended at the end.
    """
    entries = _entries_of(targets)
    path = output_path(folder, targets.workdir, "coco", "folder")
    omitted = Omitted()
    with new_folder(path):
        if images:
            (path / IMAGES).mkdir()
        unfinished, appended = path / f".{FILE}.part", path / f".{FILE}.annotations"
        with unfinished.open("wb") as whole, appended.open("w+b") as annotations:
            whole.write(b'{"info":{"description":"Label Studio"},"licenses":[],"images":[')
            _write_entries(targets, path if images else None, whole, annotations, entries, omitted)
            whole.write(b'\n],"annotations":[')
            annotations.seek(0)
            shutil.copyfileobj(annotations, whole)
            whole.write(b'\n],"categories":' + msgspec.json.encode(entries.categories()) + b"}\n")
        appended.unlink()
        unfinished.rename(path / FILE)
    omitted.log(f"The COCO folder {path}")
    return path


def _write_entries(
    targets: ExportedTargets,
    folder: Path | None,
    whole: IO[bytes],
    annotations: IO[bytes],
    entries: "_Regions | _Points",
    omitted: Omitted,
) -> None:
    """Write an entry for each picture to `whole`, and for each region to `annotations`.

    The pictures are placed in `folder`, unless it is None. Identifiers count from 1.
    """
    image_id = annotation_id = 0
    several = targets.options.annotation == "all"
    for example in targets:
        if example.size is None:
            omitted.add(NO_SIZE)
            continue
        image_id += 1
        image = {
            "id": image_id,
            "file_name": _file_name(example, folder, image_id, several),
            "width": round(example.size.width),
            "height": round(example.size.height),
            "task_id": example.task_id,
            "annotation_id": example.annotation_id,
            "annotator": example.annotator,
        }
        whole.write((b",\n" if image_id > 1 else b"\n") + _json(image))
        for entry in entries.of(example, omitted):
            annotation_id += 1
            numbered = {"id": annotation_id, "image_id": image_id, "iscrowd": 0, **entry}
            annotations.write((b",\n" if annotation_id > 1 else b"\n") + _json(numbered))


def _json(entry: dict[str, Any]) -> bytes:
    """Return an entry as JSON, with U+FFFD for what is no character: a lone surrogate in a URL or an id."""
    try:
        return msgspec.json.encode(entry, enc_hook=str)
    except UnicodeEncodeError:
        return replaced(json.dumps(entry, default=str).encode())


def _file_name(example: PictureExample[Any], folder: Path | None, number: int, several: bool) -> str:
    """Return the name of an example's picture in `images/`; without a folder, the path of its file, or else its URL."""
    if folder is None or example.path is None:
        return str(example.path or example.value)
    stem = file_stem(example, several_annotations=several)
    return place_picture(example.path, folder / IMAGES, stem, number)


class _Regions:
    """Entries of boxes, ellipses, polygons and masks: one for each region."""

    def __init__(self, classes: ClassList) -> None:
        self._classes = classes

    def categories(self) -> list[dict[str, Any]]:
        return [{"id": index, "name": name} for index, name in enumerate(self._classes.names, 1)]

    def of(self, example: PictureExample[Any], omitted: Omitted) -> Iterator[dict[str, Any]]:
        assert example.size is not None, "pictures without a size are left out"
        for region in example.regions:
            index = self._classes.index_of(region, omitted)
            if index is None:
                continue
            shape = readable_shape(region, example.size, omitted)
            if shape is None:
                continue
            if shape.pixels is not None:
                segmentation: Any = run_lengths(shape.pixels)
            else:
                segmentation = [[number for point in shape.points for number in point]]
            yield {
                "category_id": index + 1,
                "bbox": shape.bbox,
                "area": shape.area,
                "segmentation": segmentation,
                "region_id": region.id,
            }


class _Points:
    """Entries of key points: one for each object."""

    def __init__(self, names: list[str], default: str) -> None:
        self._names = names
        self._classes = ClassList(default=default)

    def categories(self) -> list[dict[str, Any]]:
        return [
            {"id": index, "name": name, "keypoints": self._names, "skeleton": []}
            for index, name in enumerate(self._classes.names, 1)
        ]

    def of(self, example: PictureExample[Any], omitted: Omitted) -> Iterator[dict[str, Any]]:
        assert example.size is not None, "pictures without a size are left out"
        for group in groups_of(example, omitted):
            bbox = group.bbox_in(example.size)
            if bbox is None:
                omitted.add(OUTSIDE)
                continue
            shown = group.points_in(example.size)
            numbers: list[float] = []
            for name in self._names:
                point = shown.get(name)
                numbers += (0, 0, 0) if point is None else (rounded(point.x), rounded(point.y), VISIBLE)
            index = self._classes.index(group.label)
            assert index is not None, "there is a default"
            yield {
                "category_id": index + 1,
                "bbox": bbox,
                "area": rounded(bbox[2] * bbox[3]),
                "segmentation": [],
                "keypoints": numbers,
                "num_keypoints": len(shown),
            }


def _entries_of(targets: ExportedTargets) -> _Regions | _Points:
    """Return what makes the entries. Raises LabelConfigError for a control that COCO has no entries for."""
    if targets.example_type is KeyPointExample:
        return _Points(point_names(targets.label_names, targets.control), targets.control.name)
    if not has_shape(targets.region_type):
        raise LabelConfigError(
            f"COCO has no form for what {targets.control} says",
            fix="It has boxes, ellipses, polygons, masks and key points on pictures; to_pandas() takes any control",
            field="label_config",
        )
    return _Regions(ClassList.of(targets))
