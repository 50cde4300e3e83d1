"""Which classes of a file are model classes, found by reading it and never by running it."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from label_studio_ml.errors import ModelFileError
from label_studio_ml.imports import Import, imports_of, module_files, parse

#: What a model class inherits from `label_studio_ml`; the last two are of the oldest generation.
_BASES = frozenset({"LabelStudioMLBase", "LabelStudioMLBaseHelper", "LabelStudioMLChoices"})


def model_classes(script: Path) -> list[str]:
    """Return the names of the model classes that `script` defines, in its order, without importing it.

    A class that another class of the file inherits from is a base, and left out. Raises ModelFileError when
    the file cannot be read or is not Python.
    """
    reader = FileReader(script.resolve())
    names = reader.model_names()
    bases = {base for name in names for base in reader.classes[name] if base != name}
    return [name for name in names if name not in bases] or names


@dataclass(slots=True)
class FileReader:
    """The classes of one file, and where the names come from that they inherit.

    `classes` maps each class to the dotted names of its bases, `aliases` each name that another one is assigned to, to
    that; `assigned` are all names that are given a value. `root` is the folder where absolute imports start (the
    file's own, if None); `open_files` are those being read, so that a circle of imports ends.
    """

    file: Path
    root: Path | None = None
    open_files: frozenset[Path] = frozenset()
    classes: dict[str, list[str]] = field(default_factory=dict, init=False)
    aliases: dict[str, str] = field(default_factory=dict, init=False)
    assigned: set[str] = field(default_factory=set, init=False)
    imports: list[Import] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        tree = parse(self.file)
        self.imports = imports_of(tree, self.file, self.root or self.file.parent)
        for node in _outer_statements(tree.body):
            if isinstance(node, ast.ClassDef):
                self.classes[node.name] = [dotted(base) for base in node.bases]
            elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                self.assigned |= {dotted(target) for target in targets}
                if dotted(node.value):
                    self.aliases |= {dotted(target): dotted(node.value) for target in targets}

    def model_names(self) -> list[str]:
        """Return the names of all model classes, bases included."""
        return [name for name in self.classes if self.is_model(name)]

    def binds(self, name: str) -> bool:
        """Tell whether the file defines, assigns or imports `name`; true where a star import may do so."""
        return (
            name in self.classes
            or name in self.assigned
            or any(item.name in (name, "*") for item in self.imports)
        )

    def is_model(self, name: str, seen: frozenset[str] = frozenset()) -> bool:
        """Tell whether `name`, dotted, is a model class where this file uses it."""
        if name in self.classes and name not in seen:  # a class may inherit an imported one of its own name
            return any(self.is_model(base, seen | {name}) for base in self.classes[name])
        if name in self.aliases and name not in seen:
            return self.is_model(self.aliases[name], seen | {name})
        head, _, rest = name.partition(".")
        for item in self.imports:
            if item.name == head:
                target = f"{item.binds}.{rest}" if rest else item.binds
            elif item.name == "*":
                target = f"{item.target}.{name}"
            else:
                continue
            if self._is_model_elsewhere(item, target):
                return True
        return False

    def _is_model_elsewhere(self, item: Import, target: str) -> bool:
        if target.startswith("label_studio_ml.") and not item.relative:
            return target.rpartition(".")[2] in _BASES
        files, rest = module_files(item.folder, target)
        if not files or not rest or files[-1] in self.open_files:
            return False
        try:
            reader = FileReader(files[-1], self.root or self.file.parent, self.open_files | {self.file})
        except ModelFileError:
            return False
        return reader.is_model(".".join(rest))


def _outer_statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run when the file is imported, also those inside conditions."""
    for node in body:
        yield node
        for inner in ("body", "orelse", "finalbody"):
            if isinstance(node, ast.If | ast.Try | ast.With):
                yield from _outer_statements(getattr(node, inner, []))
        if isinstance(node, ast.Try):
            for handler in node.handlers:
                yield from _outer_statements(handler.body)


def dotted(node: ast.expr) -> str:
    """Return `a.b.C` for that expression and for `a.b.C[...]`, and nothing for any other."""
    if isinstance(node, ast.Subscript):
        return dotted(node.value)
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return node.id if isinstance(node, ast.Name) else ""
