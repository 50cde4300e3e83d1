"""One model of a combined model: its class, name and controls, and what it gets in place of the whole model's."""

import contextlib
import dataclasses
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from label_studio_ml.errors import ModelFileError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_api.api_generation import Generation, generation
from label_studio_ml.model_api.model_context import ModelContext
from label_studio_ml.params.class_params import own_extra_params
from label_studio_ml.protocol.control_tags import control_tag
from label_studio_ml.protocol.label_config import config_text, parse_label_config
from label_studio_ml.versions.state.key_values import StagedState

#: Key of `train_output` with what each part's `fit` has returned, by the part's name.
PARTS = "parts"

#: Names of parts become names of folders and beginnings of metrics.
_NAME = re.compile(r"\w[\w-]*", re.ASCII)

#: A placeholder of an index in the name of a control within a `<Repeater>`, as `re.escape` writes it.
_INDEX = re.compile(r"\\{\\{\w+\\}\\}")


@dataclass(frozen=True)
class Part:
    """A model class within a combined one.

    `controls` are the names of the controls that it answers and trains for; None for all. With names, the part sees a
    label config without the other controls, so that `self.controls.first(…)` finds its own ones. `name` is the part's
    name in folders, metrics and messages, by default that of the class.
    """

    model_class: type[LabelStudioMLBase]
    controls: Collection[str] | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if not (isinstance(self.model_class, type) and issubclass(self.model_class, LabelStudioMLBase)):
            raise ModelFileError(
                f"{self.model_class!r} in parts is no model class",
                fix="List classes that inherit from LabelStudioMLBase: parts = (Ner, Sentiment)",
                field="parts",
            )
        if isinstance(self.controls, str):
            object.__setattr__(self, "controls", (self.controls,))
        object.__setattr__(self, "name", self.name or self.model_class.__name__)
        if not _NAME.fullmatch(self.name):
            raise ModelFileError(
                f"The name of a part is {self.name!r}: it must consist of letters, digits, - and _",
                fix=f'Name it: Part({self.model_class.__name__}, name="ner")',
                field="parts",
            )

    @property
    def generation(self) -> Generation:
        """The API generation of its class."""
        return generation(self.model_class)

    def label_config(self, xml: str) -> str:
        """Return the label config for the part: without the controls that are not its own."""
        if self.controls is None or not config_text(xml).strip():
            return xml
        parse_label_config(xml)  # refuses what is not well-formed, and a DOCTYPE
        root = ElementTree.fromstring(config_text(xml))  # noqa: S314 - without a DOCTYPE, there are no entities
        _remove_controls(root, frozenset(self.controls))
        return ElementTree.tostring(root, encoding="unicode")

    def train_output(self, combined: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the part's `fit` has returned, from the `train_output` of the combined model."""
        outputs = combined.get(PARTS)
        output = outputs.get(self.name) if isinstance(outputs, Mapping) else None
        return dict(output) if isinstance(output, Mapping) else {}

    def task(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Return a labelled task with the regions of the part's controls, and the relations between these."""
        if self.controls is None:
            return dict(task)
        annotations = [
            {**annotation, "result": self._own_regions(annotation.get("result"))}
            for annotation in task.get("annotations") or ()
            if isinstance(annotation, Mapping)
        ]
        return {**task, "annotations": annotations, "completions": annotations}

    def owns(self, from_name: Any) -> bool:
        """Tell whether a control is the part's own; `{{idx}}` in the name of one in a `<Repeater>` is any number."""
        if self.controls is None:
            return True
        return any(
            re.fullmatch(_INDEX.sub(r"\\d+", re.escape(name)), str(from_name)) for name in self.controls
        )

    def _own_regions(self, result: Any) -> list[Mapping[str, Any]]:
        """Return those regions of a `result` that are the part's own; what is damaged in it is left out."""
        regions = [region for region in result if isinstance(region, Mapping)] if _is_list(result) else []
        own = [region for region in regions if self.owns(region.get("from_name"))]
        ids = [region.get("id") for region in own]
        relations = [
            region
            for region in regions
            if region.get("type") == "relation"
            and region.get("from_id") in ids
            and region.get("to_id") in ids
        ]
        return own + relations


def parts_of(declared: Any, owner: str) -> tuple[Part, ...]:
    """Return the parts that the class named `owner` declares as `parts`: classes and `Part`s.

    Raises ModelFileError if there are none, or two of one name.
    """
    if isinstance(declared, type | Part) or not isinstance(declared, Collection) or not declared:
        raise ModelFileError(
            f"{owner}.parts is {declared!r}: it must be a tuple of model classes",
            fix="Example: parts = (Ner, Sentiment)",
            field="parts",
        )
    parts = tuple(item if isinstance(item, Part) else Part(item) for item in declared)
    names = [part.name.lower() for part in parts]  # names of folders, on disks that do not tell a from A, too
    for part in parts:
        if names.count(part.name.lower()) > 1:
            raise ModelFileError(
                f"{owner}.parts has two parts named {part.name}",
                fix=f'Name them: Part({part.model_class.__name__}, name="first")',
                field="parts",
            )
    return parts


class PartState:
    """The key/value pairs of one part: those of the project whose keys begin with the part's name and a dot.

    `whole` is the combined model's context, whose state changes when a training begins.
    """

    def __init__(self, whole: ModelContext, name: str) -> None:
        self._whole = whole
        self._prefix = f"{name}."

    def get(self, key: str) -> str | None:
        """Return the value of `key`, or None."""
        return self._whole.state.get(self._prefix + key)

    def set(self, key: str, value: str) -> None:
        """Store `value` under `key`."""
        self._whole.state.set(self._prefix + key, value)

    def has(self, key: str) -> bool:
        """Tell whether `key` holds a value."""
        return self._whole.state.has(self._prefix + key)

    @contextlib.contextmanager
    def restored_on_error(self) -> Iterator[None]:
        """During a training, discard the values that the `with` block has set if it raises."""
        staged = self._whole.state
        before = dict(staged.changes) if isinstance(staged, StagedState) else {}
        try:
            yield
        except BaseException:
            if isinstance(staged, StagedState):
                staged.changes = before
            raise


def part_context(whole: ModelContext, part: Part, others: Iterable[Part]) -> ModelContext:
    """Return the model context of a part; it differs from the combined model's in its key/value pairs.

    A part that refuses unknown extra params does not get those of the `others`.
    """
    extra_params = own_extra_params(
        part.model_class, [other.model_class for other in others], whole.extra_params
    )
    return dataclasses.replace(
        whole, state=PartState(whole, part.name), renamed="", extra_params=extra_params
    )


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _remove_controls(element: ElementTree.Element, kept: frozenset[str]) -> None:
    """Remove the control tags below `element` whose names are not in `kept`."""
    for child in list(element):
        name = child.get("name")
        is_control = control_tag(child.tag) is not None and child.get("toName") is not None
        if is_control and name not in kept:
            element.remove(child)
        else:
            _remove_controls(child, kept)
