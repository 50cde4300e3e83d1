"""A Hugging Face dataset, with the columns that the training scripts of `transformers` expect."""

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from label_studio_ml.errors import LabelConfigError
from label_studio_ml.targets.example_types import (
    AudioExample,
    BoxExample,
    ChoicesExample,
    NumberExample,
    RatingExample,
    SpanExample,
    TextsExample,
)
from label_studio_ml.targets.exports.class_list import ClassList, Omitted
from label_studio_ml.targets.exports.exported import ExportedTargets
from label_studio_ml.targets.exports.output_folder import new_folder, output_path
from label_studio_ml.targets.exports.pictures.picture_shapes import NO_SIZE, readable_shape
from label_studio_ml.targets.exports.target_arrays import WITHOUT_CHOICE, WITHOUT_NUMBER
from label_studio_ml.targets.exports.word_tokens import Tokenize, sentences_of

if TYPE_CHECKING:
    from types import ModuleType

WITHOUT_TEXT = "tasks without a text"
NO_FILE = "tasks without a file"

#: The name of the column with what a model sees, by the tag of the object.
_SOURCES = {"Image": "image", "Audio": "audio", "AudioPlus": "audio"}


@dataclass(frozen=True)
class _Export:
    """What the rows are made from."""

    targets: ExportedTargets
    datasets: "ModuleType"
    classes: ClassList
    omitted: Omitted
    tokenize: Tokenize | None

    @property
    def source(self) -> str:
        """The name of the column with what a model sees."""
        return _SOURCES.get(self.targets.control.object.tag, "text")

    def stored_feature(self) -> Any:
        """Return the feature by which that column is written: of files, their content."""
        value = self.datasets.Value
        if self.source == "text":
            return value("string")
        return {"bytes": value("binary"), "path": value("string")}

    def shown(self, dataset: Any) -> Any:
        """Return the dataset with its files as pictures or sounds.

        They are written as plain bytes: the library would need a decoder to write sounds, and would read pictures from
        the current folder instead if files there have the same names.
        """
        if self.source not in dataset.column_names or self.source == "text":
            return dataset
        feature = self.datasets.Image() if self.source == "image" else self.datasets.Audio()
        return dataset.cast_column(self.source, feature)

    def label(self) -> Any:
        """Return the feature of a label."""
        return self.datasets.ClassLabel(names=self.classes.names)

    def content(self, example: Any) -> Any:
        """Return what a model sees of an example; None, and counted, if it is a file that is not there."""
        if self.source == "text":
            return str(example.value) if example.text is None else example.text
        if example.path is None:
            self.omitted.add(NO_FILE)
            return None
        path = Path(example.path)
        return {"bytes": path.read_bytes(), "path": path.name}


@dataclass(frozen=True)
class _Form:
    """The columns for one type of examples, beside that with what a model sees, and the values in each row."""

    features: Callable[[_Export], dict[str, Any]]
    rows: Callable[[_Export, Any], Iterator[dict[str, Any]]]
    has_source: bool = True


def hugging_face_dataset(
    targets: ExportedTargets, folder: Path | str | None, *, tokenize: Tokenize | None
) -> Any:
    """Return the targets as a `datasets.Dataset`; see `Targets.to_hf`."""
    form = _FORMS.get(targets.example_type)
    if form is None:
        raise LabelConfigError(
            f"There is no usual form of a Hugging Face dataset for what {targets.control} says",
            fix="There are some for choices, ratings, numbers, texts, spans, segments of audio and boxes on pictures; "
            "datasets.Dataset.from_pandas(targets.to_pandas()) takes any control",
            field="label_config",
        )
    datasets = _library()
    path = output_path(folder, targets.workdir, "hf", "folder")
    omitted = Omitted()
    export = _Export(targets, datasets, _classes(targets), omitted, tokenize)
    source = {export.source: export.stored_feature()} if form.has_source else {}
    features = datasets.Features({"task_id": datasets.Value("string"), **source, **form.features(export)})
    with new_folder(path):
        dataset = _written_rows(datasets, _Rows(export, form), features, path)
    omitted.log("to_hf()")
    return export.shown(dataset)


def _written_rows(datasets: "ModuleType", rows: "_Rows", features: Any, folder: Path) -> Any:
    """Write rows to a folder and return their dataset. Raises what the iteration over the targets raises.

    Without a folder of its own, the library would return the rows that it has cached for the same arguments.
    """
    try:
        return datasets.Dataset.from_generator(rows, features=features, cache_dir=str(folder))
    except datasets.exceptions.DatasetGenerationError as error:
        raise (error.__cause__ or error) from None
    except ValueError:
        if next(rows(), None) is not None:
            raise
        return datasets.Dataset.from_dict({name: [] for name in features}, features=features)


class _Rows:
    """The generator of rows. The library wants to pickle it for a name of its cache, which does not matter here."""

    def __init__(self, export: _Export, form: _Form) -> None:
        self._export = export
        self._form = form

    def __call__(self) -> Iterator[dict[str, Any]]:
        export = self._export
        for example in export.targets:
            source: dict[str, Any] = {}
            if self._form.has_source:
                content = export.content(example)
                if content is None:
                    continue
                source = {export.source: content}
            for row in self._form.rows(export, example):
                yield {"task_id": str(example.task_id), **source, **row}

    def __reduce__(self) -> tuple[Any, ...]:
        return (_Rows, ())


def _library() -> "ModuleType":
    """Import `datasets`. Raises ModuleNotFoundError with the command that installs it."""
    if importlib.util.find_spec("datasets") is None:
        raise ModuleNotFoundError("to_hf() needs the library datasets: pip install datasets", name="datasets")
    return importlib.import_module("datasets")


def _classes(targets: ExportedTargets) -> ClassList:
    """Return the classes; if the label config does not list them, by an iteration over the targets."""
    classes = ClassList.of(targets)
    if targets.label_names or targets.example_type not in _LABELLED:
        return classes
    for example in targets:
        labels = (
            example.choices
            if isinstance(example, ChoicesExample)
            else [region.label for region in example.regions]
        )
        for label in labels:
            classes.index(label)
    return classes


def _choice(export: _Export, example: ChoicesExample) -> Iterator[dict[str, Any]]:
    if export.targets.control.is_multiple:
        yield {"labels": list(example.choices)}
    elif example.choice is None:
        export.omitted.add(WITHOUT_CHOICE)
    else:
        yield {"label": example.choice}


def _choice_features(export: _Export) -> dict[str, Any]:
    if export.targets.control.is_multiple:
        return {"labels": export.datasets.Sequence(export.label())}
    return {"label": export.label()}


def _number(export: _Export, example: Any) -> Iterator[dict[str, Any]]:
    number = example.rating if isinstance(example, RatingExample) else example.number
    if number is None:
        export.omitted.add(WITHOUT_NUMBER)
    else:
        yield {"label": float(number)}


def _written(export: _Export, example: TextsExample) -> Iterator[dict[str, Any]]:
    if not example.texts:
        export.omitted.add(WITHOUT_TEXT)
    else:
        yield {_written_column(export): "\n".join(example.texts)}


def _written_column(export: _Export) -> str:
    return "target" if export.source == "text" else "text"


def _tokens(export: _Export, example: SpanExample) -> Iterator[dict[str, Any]]:
    for sentence in sentences_of(example, export.tokenize, export.omitted):
        yield {"tokens": sentence.tokens, "ner_tags": sentence.tags}


def _token_features(export: _Export) -> dict[str, Any]:
    names = ["O", *(f"{prefix}-{name}" for name in export.classes.names for prefix in "BI")]
    datasets = export.datasets
    return {
        "tokens": datasets.Sequence(datasets.Value("string")),
        "ner_tags": datasets.Sequence(datasets.ClassLabel(names=names)),
    }


def _boxes(export: _Export, example: BoxExample) -> Iterator[dict[str, Any]]:
    if example.size is None:
        export.omitted.add(NO_SIZE)
        return
    objects: dict[str, list[Any]] = {"id": [], "area": [], "bbox": [], "category": []}
    for box in example.boxes:
        index = export.classes.index_of(box, export.omitted)
        shape = readable_shape(box, example.size, export.omitted) if index is not None else None
        if shape is not None:
            for name, value in zip(objects, (box.id, shape.area, shape.bbox, index), strict=True):
                objects[name].append(value)
    yield {"width": round(example.size.width), "height": round(example.size.height), "objects": objects}


def _box_features(export: _Export) -> dict[str, Any]:
    value, several = export.datasets.Value, export.datasets.Sequence
    return {
        "width": value("int32"),
        "height": value("int32"),
        "objects": {
            "id": several(value("string")),
            "area": several(value("float32")),
            "bbox": several(several(value("float32"), length=4)),
            "category": several(export.label()),
        },
    }


def _segments(export: _Export, example: AudioExample) -> Iterator[dict[str, Any]]:
    known = [
        (float(segment.start), float(segment.end), index)
        for segment in example.segments
        if (index := export.classes.index_of(segment, export.omitted)) is not None
    ]
    yield {
        "segments": {
            "start": [start for start, _, _ in known],
            "end": [end for _, end, _ in known],
            "label": [index for _, _, index in known],
        }
    }


def _segment_features(export: _Export) -> dict[str, Any]:
    value, several = export.datasets.Value, export.datasets.Sequence
    seconds = several(value("float64"))
    return {"segments": {"start": seconds, "end": seconds, "label": several(export.label())}}


_NUMBERS = _Form(lambda export: {"label": export.datasets.Value("float32")}, _number)
_FORMS: dict[Any, _Form] = {
    ChoicesExample: _Form(_choice_features, _choice),
    RatingExample: _NUMBERS,
    NumberExample: _NUMBERS,
    TextsExample: _Form(lambda export: {_written_column(export): export.datasets.Value("string")}, _written),
    SpanExample: _Form(_token_features, _tokens, has_source=False),
    BoxExample: _Form(_box_features, _boxes),
    AudioExample: _Form(_segment_features, _segments),
}
#: Types of examples whose columns need all classes.
_LABELLED = (ChoicesExample, SpanExample, BoxExample, AudioExample)
