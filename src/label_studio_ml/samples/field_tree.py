"""Find the fields of a task's data that a label config shows, and which tag shows each one."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.etree import ElementTree

from label_studio_ml.controls.label_config_tree import read_tree
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.support.texts import whole_number

#: A reference to a field, such as `$text` or `$pages[0].image`. Source: the pattern of Label Studio's frontend.
_REFERENCE = re.compile(r"\$([\w.\[\]{}]+)")

#: Attributes in which Label Studio fills in references also within a longer text, such as `Question: $text`.
_MIXED = frozenset({"value", "valuelist", "on", "apiurl"})

#: Attributes in which a text that looks like a reference is none.
_NO_REFERENCES = frozenset({"name", "toname", "style", "classname", "hotkey", "indexflag", "placeholder"})

_STEP = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")

#: Values of an index variable for which fields such as `$image_{{idx}}` are made: those of the longest list.
_INDICES = range(3)

#: Limits of one reference: a label config comes from users. The largest index is that of a list's last entry.
_MAX_STEPS = 30
_MAX_INDEX = 100

#: The fewest and the most entries of a list that a `<Repeater>` goes through.
REPEATED = (2, 3)

#: The most values in one task: indices and index variables within each other multiply them.
_MAX_VALUES = 20_000


@dataclass(frozen=True)
class Use:
    """One place of the label config that shows a field: an attribute of a tag.

    `tag`, `attribute` and the names in `attributes` are in lower case. `columns` are those of the channels in a
    `<TimeSeries>`.
    """

    tag: str
    attribute: str
    attributes: Mapping[str, str]
    columns: tuple[str, ...] = ()


@dataclass
class Node:
    """A value in a task's data: shown itself (`uses`), or a dict (`fields`) or list (`items`, `each`) of shown values.

    `each` stands for all entries of a list that a `<Repeater>` goes through; `is_repeated` says that one does.
    """

    uses: list[Use] = field(default_factory=list)
    fields: dict[str, "Node"] = field(default_factory=dict)
    items: dict[int, "Node"] = field(default_factory=dict)
    each: "Node | None" = None
    is_repeated: bool = False

    def child(self, step: str | int | None) -> "Node":
        """Return the node of a key, of an index, or with None that of all entries; it is made if missing."""
        if step is None:
            self.each = self.each or Node()
            return self.each
        if isinstance(step, int):
            return self.items.setdefault(step, Node())
        return self.fields.setdefault(step, Node())

    def largest_size(self) -> int:
        """Return the number of values of a task in this node, with the most entries that its lists may get."""
        if self.each is not None or self.is_repeated:
            return REPEATED[1] * (self.each or Node()).largest_size()
        sizes = {index: child.largest_size() for index, child in self.items.items()}
        if sizes:  # entries without a node of their own are like the last one
            last = max(sizes)
            return sum(sizes.values()) + (last + 1 - len(sizes)) * sizes[last]
        return 1 + sum(child.largest_size() for child in self.fields.values())


def fields_of(label_config: str) -> Node:
    """Return the data of a task for a label config, as a node with the fields that it shows.

    Raises LabelConfigError if it is not well-formed, a reference is too long to be one, or a task would have more than
    `_MAX_VALUES` values.
    """
    variables = read_tree(label_config).index_variables  # refuses a DOCTYPE and what is not well-formed
    root = Node()
    if not label_config.strip():
        return root
    for element in ElementTree.fromstring(label_config).iter():  # noqa: S314 - there is no DOCTYPE
        for path, use in _uses(element):
            for one_path in _expanded(path, variables):
                node = root
                for step in _steps(one_path, variables):
                    node = node.child(step)
                node.is_repeated |= use.attribute == "on"
                node.uses.append(use)
    if root.largest_size() > _MAX_VALUES:
        raise _too_many_values()
    return root


def _uses(element: ElementTree.Element) -> Iterator[tuple[str, Use]]:
    """Yield each field that an element shows, with the place where it does."""
    tag = element.tag.lower()
    attributes = {name.lower(): text for name, text in element.attrib.items()}
    texts = dict(attributes)
    if inner := _inner_text(element, tag):
        texts["value"] = inner  # Label Studio takes the text within a tag for its value
    columns: tuple[str, ...] = ()
    if tag == "timeseries":
        columns = tuple(
            name for channel in element.iter() if (name := channel.get("column")) and channel is not element
        )
    for name, text in texts.items():
        if name in _NO_REFERENCES:
            continue
        whole = _REFERENCE.fullmatch(text)
        paths = [whole[1]] if whole else _REFERENCE.findall(text) if name in _MIXED else []
        use = Use(tag if whole else "text", name, attributes, columns)
        yield from ((path.rstrip("."), use) for path in paths if path.rstrip("."))


def _inner_text(element: ElementTree.Element, tag: str) -> str:
    if tag == "style" or (len(element) and tag != "hypertext"):
        return ""
    return "".join(element.itertext()).strip()


def _expanded(path: str, variables: tuple[str, ...]) -> list[str]:
    """Return the path with index variables filled in that are part of a name, as in `image_{{idx}}`."""
    paths = [path]
    for variable in variables:
        if variable in path.replace(f"[{variable}]", ""):
            paths = [
                one.replace(f"[{variable}]", "\0")
                .replace(variable, str(index))
                .replace("\0", f"[{variable}]")
                for one in paths
                for index in _INDICES
            ]
        if len(paths) > _MAX_VALUES:
            raise _too_many_values()
    return paths


def _too_many_values() -> LabelConfigError:
    return LabelConfigError(
        f"The label config shows more than {_MAX_VALUES} values of a task, lists within lists among them",
        fix="Name smaller indices, or fewer index variables in one field",
        field="label_config",
    )


def _steps(path: str, variables: tuple[str, ...]) -> list[str | int | None]:
    """Return the keys and indices of a path; None stands for each entry. Raises LabelConfigError."""
    steps: list[str | int | None] = []
    for index, key in _STEP.findall(path):
        number = whole_number(index)
        if index in variables:
            steps.append(None)
        elif number is not None and number <= _MAX_INDEX:
            steps.append(number)
        elif number is not None:
            raise LabelConfigError(
                f"The label config shows the field ${path[:100]}; sample tasks have lists of at most "
                f"{_MAX_INDEX + 1} entries",
                field="label_config",
            )
        elif key or index:
            steps.append(key or index)
    if len(steps) > _MAX_STEPS:
        raise LabelConfigError(
            f"The label config shows the field ${path[:100]}…, which has more than {_MAX_STEPS} parts",
            field="label_config",
        )
    return steps
