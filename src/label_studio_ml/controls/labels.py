"""The labels of a control, and the mapping from a model's labels to them."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from label_studio_ml.errors import LabelConfigError

logger = logging.getLogger(__name__)

#: What happens to a label that the control does not have.
Unknown = Literal["error", "drop"]

#: The most labels listed in a message.
_LISTED = 20


@dataclass(frozen=True)
class Label:
    """One label of a control: a `<Label>`, a `<Choice>`, or an entry of a list in the task.

    `name` is what regions contain: the label's alias, else its value. `children` are the labels nested in it, of
    `<Taxonomy>` and nested `<Choices>`. `attributes` are all of its XML attributes.
    """

    name: str
    attributes: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    children: tuple["Label", ...] = ()

    @property
    def value(self) -> str:
        """What annotators read."""
        return self.attributes.get("value") or self.name

    @property
    def predicted_values(self) -> tuple[str, ...]:
        """The names that models have for this label (attribute `predicted_values`, separated by commas)."""
        return tuple(
            name for part in self.attributes.get("predicted_values", "").split(",") if (name := part.strip())
        )

    def walk(self, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], "Label"]]:
        """Yield this label and those nested in it, each with its path of names from the top."""
        path = (*above, self.name)
        yield path, self
        for child in self.children:
            yield from child.walk(path)


class LabelMap:
    """Maps a model's labels to the labels of one control.

    In order of precedence: `mapping` (from a model's label to one of the control's), the label's `predicted_values`,
    its name, its value; each exactly, then without regard to case. A label without a match raises LabelConfigError, or
    with `unknown="drop"` is logged once and mapped to None. `labels` of None stand for any label.
    `control` is the name that messages call the control.

    Raises LabelConfigError if `mapping` names labels that the control does not have.
    """

    def __init__(
        self,
        control: str,
        labels: Sequence[Label] | None,
        mapping: Mapping[str, str] | None = None,
        unknown: Unknown = "error",
    ) -> None:
        if unknown not in ("error", "drop"):
            raise ValueError(f'unknown must be "error" or "drop", not {unknown!r}')
        self.labels = tuple(labels or ())
        self._control = control
        self._unknown = unknown
        self._takes_any = labels is None
        self._paths = [(path, label) for top in labels or () for path, label in top.walk()]
        self._known_paths = {path for path, _ in self._paths}
        self._exact: dict[str, tuple[str, ...]] = {}
        self._dropped: set[str] = set()
        for names in (
            lambda label: label.predicted_values,
            lambda label: (label.name,),
            lambda label: (label.value,),
        ):
            for path, label in self._paths:
                for name in names(label):
                    self._exact.setdefault(name, path)
        if mapping:
            by_name = {label.name: path for path, label in reversed(self._paths)}
            self._exact.update((str(name), self._target(label, by_name)) for name, label in mapping.items())
        self._by_lower = {name.casefold(): path for name, path in reversed(self._exact.items())}

    def _target(self, label: str, by_name: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
        path = by_name.get(label)
        if path is not None:
            return path
        if not self._takes_any:
            raise LabelConfigError(
                f"The mapping names the label {label!r}, which the control {self._control!r} does not have",
                fix=f"It has: {self._names()}",
                field="label_config",
            )
        return (label,)

    def path(self, label: Any) -> tuple[str, ...] | None:
        """Return the path of names to a model's label, of length 1 unless labels are nested; None if it is dropped.

        `label` may itself be a path, as a list or tuple of names from the top. A class number may be a float or an
        array of one, as detectors give it: 2.0 is found as "2", too. Raises LabelConfigError for a label that the
        control does not have, unless `unknown="drop"`.
        """
        path, name = self._lookup(label)
        if path is not None:
            return path
        if self._unknown == "error":
            raise LabelConfigError(
                f"The control {self._control!r} has no label {name!r}; it has: {self._names()}",
                fix="Add it to the label config, set predicted_values of the label that it stands for, or map it: "
                'control.map_labels({"model\'s label": "label of the config"}, unknown="drop")',
                field="label_config",
            )
        if name not in self._dropped:
            self._dropped.add(name)
            _log_dropped(self._control, self._names(), name)
        return None

    def knows(self, label: Any) -> bool:
        """Return whether the control has a model's label, without an error or a warning if it does not."""
        return self._lookup(label)[0] is not None

    def _lookup(self, label: Any) -> tuple[tuple[str, ...] | None, str]:
        """Return the path of names to a model's label, None without one, and the label as a text."""
        if hasattr(label, "tolist"):
            label = label.tolist()
        if isinstance(label, list | tuple):
            names = tuple(map(str, label))
            if self._takes_any or names in self._known_paths:
                return names, ""
            name = " / ".join(names)
        else:
            name = str(label)
        path = self._found(name)
        if path is None and isinstance(label, float) and label.is_integer():
            path = self._found(str(int(label)))
        return (name,) if path is None and self._takes_any else path, name

    def _found(self, name: str) -> tuple[str, ...] | None:
        return self._exact.get(name) or self._by_lower.get(name.casefold())

    def name(self, label: Any) -> str | None:
        """Return the control's label for a model's label; None if it is dropped. Raises as `path` does."""
        path = self.path(label)
        return path[-1] if path is not None else None

    def names(self, labels: Iterable[Any]) -> list[str]:
        """Return the control's labels for a model's labels, each once, without dropped ones. Raises as `path` does."""
        return list(dict.fromkeys(name for label in labels if (name := self.name(label)) is not None))

    def _names(self) -> str:
        return listed([label.name for _, label in self._paths]) or "none"


def listed(names: Sequence[str], most: int = _LISTED) -> str:
    """Return names of labels for a message: the first `most` of them, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


@lru_cache(maxsize=1024)
def _log_dropped(control: str, labels: str, name: str) -> None:
    """Log that a label is dropped, once for each: a model makes its controls anew for each call of `predict`."""
    logger.warning(
        "The control %r has no label %r: predictions of it are left out (this is logged once); it has: %s",
        control,
        name,
        labels,
    )


def labels_in_task(entries: Any) -> tuple[Label, ...]:
    """Return the labels in a task's data: a list of texts, or of dicts with `value`, maybe `alias` and `children`."""
    if not isinstance(entries, list | tuple):
        return ()
    labels = []
    for entry in entries:
        if isinstance(entry, Mapping):
            value = str(entry.get("value", ""))
            attributes = {
                str(key): str(text) for key, text in entry.items() if not isinstance(text, list | dict)
            }
            children = labels_in_task(entry.get("children"))
            labels.append(Label(str(entry.get("alias") or value), {"value": value, **attributes}, children))
        else:
            labels.append(Label(str(entry)))
    return tuple(labels)
