"""Parse label configs into the dict that users' classes have as `self.parsed_label_config`.

The structure is that of Label Studio's SDK, so model files work with either. This parser needs neither the SDK nor
lxml, whose imports take over a second, and builds no document tree.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from label_studio_ml.errors import LabelConfigError
from label_studio_ml.support import arguments

#: Maximum number of characters of a label config. A taxonomy of 20,000 choices has a quarter of that.
MAX_CHARACTERS = 4 << 20

#: Maximum number of different `indexFlag`s of a label config: each is searched for in the names of all controls.
MAX_INDEX_FLAGS = 100

#: Maximum number of names in all `toName`s of a label config: each control gets a copy of the description of each
#: object.
MAX_TARGETS = 100_000

#: Tags whose attributes describe one label of the control around them.
_LABEL_TAGS = frozenset({"Label", "Choice", "Relation"})

#: Tags with `name` and `toName` that produce no results.
_HELPER_TAGS = frozenset({"Filter"})

#: A value that is only a task field, such as `$options`: the labels then come with each task.
_TASK_FIELD = re.compile(r"\$[A-Za-z_]+")

#: Attributes that make a per-region control conditional, with the kind of condition, in order of precedence.
_CONDITIONS = {"whenTagName": "tag", "whenLabelValue": "label", "whenChoiceValue": "choice"}


def config_text(xml: str | None) -> str:
    """Return a label config's XML, empty for None. Raises LabelConfigError if it is not a str."""
    if not isinstance(xml, str | None):
        raise LabelConfigError(
            f"label_config must be the label config's XML as text, not {arguments.described(xml)}",
            fix="Pass what the project's Labeling Interface settings show as code",
            field="label_config",
        )
    return xml or ""


def parse_label_config(xml: str | None) -> dict[str, Any]:
    """Return the controls of a label config by name, in document order; `{}` for None or blank text.

    Each control is a dict with `type` (its tag), `to_name` (names of the objects it labels), `inputs` (for each of
    these objects in the config: `type`, `valueType`, and `value` or `valueList`, the task field without `$`), `labels`
    (alias or value of each label) and `labels_attrs` (each label's attributes, by the same names). The keys
    `conditionals` (`{"type", "name"}`), `dynamic_labels` (True) and `regex` (`{index variable: pattern}`) exist only
    where the config uses these features.

    Raises LabelConfigError, with `field="label_config"`, if the text is not well-formed XML, has a DOCTYPE, or is too
    large.
    """
    xml = config_text(xml)
    check_size(xml)
    if not xml.strip():
        return {}
    reader = _Reader()
    read_xml(xml, reader)
    return reader.result()


def read_xml(xml: str, target: Any) -> Any:
    """Read a label config into a target of `xml.etree`'s parser, and return what its `close` returns.

    The target must have a method `doctype` that calls `refuse_doctype`. Raises LabelConfigError if the text is not
    well-formed.
    """
    parser = ElementTree.XMLParser(target=target)  # noqa: S314 - the target refuses a DOCTYPE
    try:
        parser.feed(xml)
        return parser.close()
    except ElementTree.ParseError as error:
        line, column = error.position
        reason = str(error).partition(":")[0]
        raise LabelConfigError(
            f"The label config is not well-formed XML: {reason} at line {line}, column {column + 1}",
            fix="Correct it in the project's Labeling Interface settings",
            field="label_config",
        ) from None
    except UnicodeEncodeError as error:
        raise LabelConfigError(
            f"The label config has a character that is not Unicode text, at position {error.start}",
            field="label_config",
        ) from None


def refuse_doctype() -> None:
    """Raise LabelConfigError: a label config must have no DOCTYPE, whose entities may be of any size."""
    raise LabelConfigError(
        "The label config has a DOCTYPE, which is not allowed",
        fix="Remove the <!DOCTYPE …> from the labeling config",
        field="label_config",
    )


def check_index_flags(count: int) -> None:
    """Raise LabelConfigError if a label config has more than `MAX_INDEX_FLAGS` different values of `indexFlag`."""
    if count > MAX_INDEX_FLAGS:
        raise LabelConfigError(
            f"The label config has more than {MAX_INDEX_FLAGS} different values of indexFlag",
            fix="Give the <Repeater> tags the same indexFlag",
            field="label_config",
        )


def check_targets(count: int) -> None:
    """Raise LabelConfigError if the `toName`s of a label config have more than `MAX_TARGETS` names together."""
    if count > MAX_TARGETS:
        raise LabelConfigError(
            f"The toName attributes of the label config have more than {MAX_TARGETS:,} names together",
            field="label_config",
        )


def check_size(xml: str) -> None:
    """Raise LabelConfigError if a label config has more than `MAX_CHARACTERS` characters."""
    if len(xml) > MAX_CHARACTERS:
        raise LabelConfigError(
            f"The label config has {len(xml):,} characters, more than the {MAX_CHARACTERS:,} that are allowed",
            fix='Load long lists of labels from the tasks, as in <Taxonomy value="$labels">',
            field="label_config",
        )


def first_tag(parsed: Mapping[str, Any], control: str, object_tag: str) -> tuple[str, dict[str, Any]]:
    """Return name and description of the first `control` tag on an `object_tag`.

    Raises ValueError, saying what the config has, if there is none.
    """
    for name, info in parsed.items():
        if info["type"] == control and any(source["type"] == object_tag for source in info["inputs"]):
            return name, info
    controls = describe(parsed) or "no control tags"
    raise ValueError(f"The label config has no <{control}> for a <{object_tag}>; it has {controls}")


def label_map(parsed: Mapping[str, Any], control: str, names: Sequence[str]) -> dict[str, str]:
    """Map the labels `names` of a model to the labels of the control named `control`.

    A label of the config is mapped from the model labels in its `predicted_values` attribute (comma-separated), else
    from the model label of its own name. An exact match takes precedence over one that ignores case. Model labels
    without a match are omitted. Raises ValueError if there is no such control, or an argument has the wrong type.
    """
    arguments.text("tag_name", control, "the name of a control tag")
    names = arguments.texts("names", names, "a list of the model's labels")
    if control not in parsed:
        raise ValueError(f"The label config has no control tag named {control!r}")
    by_lower = {name.lower(): name for name in reversed(names)}
    exact_names = set(names)
    mapping: dict[str, str] = {}
    for label, attributes in parsed[control]["labels_attrs"].items():
        model_labels = [
            name.strip() for name in attributes.get("predicted_values", "").split(",") if name.strip()
        ]
        for name in model_labels or [label]:
            match = name if name in exact_names else by_lower.get(name.lower())
            if match is not None:
                mapping[match] = label
    return mapping


def describe(parsed: Mapping[str, Any]) -> str:
    """Return the controls of a parsed config in words, such as `<Choices name="c"> for <Text>`."""
    return ", ".join(
        f'<{info["type"]} name="{name}"> for '
        + (" and ".join(f"<{source['type']}>" for source in info["inputs"]) or "nothing")
        for name, info in parsed.items()
    )


class _Reader:
    """Target of the XML parser that collects the controls of a label config."""

    def __init__(self) -> None:
        self.controls: dict[str, dict[str, Any]] = {}
        self.objects: dict[str, dict[str, Any]] = {}
        self.labels: dict[str, dict[str, dict[str, str]]] = {}
        #: The number of names in all `toName`s so far.
        self.targets = 0
        #: Index variables (values of `indexFlag`) in document order, each once.
        self.index_variables: dict[str, None] = {}
        #: For each open element, the control to which a label inside it belongs.
        self.owners: list[str | None] = []

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Refuse a DOCTYPE, before an entity that it declares is parsed. Raises LabelConfigError."""
        refuse_doctype()

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Process an opening tag."""
        name = attributes.get("name")
        variable = attributes.get("indexFlag")
        if variable is not None:
            self._add_index(variable)
        if name and attributes.get("toName") and tag not in _HELPER_TAGS:
            self.controls[name] = self._control(tag, attributes)
        elif name and (attributes.get("value") or attributes.get("valueList")):
            source = "value" if "value" in attributes else "valueList"
            self.objects[name] = {
                "type": tag,
                "valueType": attributes.get("valueType"),
                source: attributes[source].lstrip("$"),
            }
        owner = self.owners[-1] if self.owners else None
        if tag in _LABEL_TAGS and owner is not None:
            label = attributes.get("alias") or attributes.get("value") or attributes.get("valueList")
            if label:
                self.labels.setdefault(owner, {})[label] = dict(attributes)
        self.owners.append(name if name in self.controls else owner)

    def end(self, tag: str) -> None:
        """Process a closing tag."""
        self.owners.pop()

    def close(self) -> None:
        """Process the end of the document."""

    def _add_index(self, variable: str) -> None:
        self.index_variables[variable] = None
        check_index_flags(len(self.index_variables))

    def _control(self, tag: str, attributes: Mapping[str, str]) -> dict[str, Any]:
        targets = attributes["toName"]
        self.targets += targets.count(",") + 1
        check_targets(self.targets)
        control: dict[str, Any] = {"type": tag, "to_name": targets.split(",")}
        indexed = [
            variable
            for variable in self.index_variables
            if variable in targets and any(variable in name for name in control["to_name"])
        ]
        if indexed:
            control["regex"] = dict.fromkeys(indexed, ".*")
        if attributes.get("perRegion") == "true":
            condition = next((key for key in _CONDITIONS if attributes.get(key)), None)
            if condition:
                control["conditionals"] = {"type": _CONDITIONS[condition], "name": attributes[condition]}
        if _TASK_FIELD.fullmatch(attributes.get("value", "")) or attributes.get("apiUrl"):
            control["dynamic_labels"] = True
        return control

    def result(self) -> dict[str, Any]:
        """Return the controls by name, completed with their objects and labels."""
        for name, control in self.controls.items():
            control["inputs"] = [
                dict(self.objects[target]) for target in control["to_name"] if target in self.objects
            ]
            attributes = self.labels.get(name, {})
            control["labels"] = list(attributes)
            control["labels_attrs"] = attributes
        return self.controls
