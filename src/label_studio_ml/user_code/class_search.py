"""Find the model classes that a Python file defines, by reading it and never by running it."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from label_studio_ml.errors import ModelFileError
from label_studio_ml.user_code.import_scan import Import, imports_of, module_files, parse

#: Base classes from `label_studio_ml` that make a class a model class. `…Helper` and `…Choices` are of the oldest
#: generation.
_BASES = frozenset({"LabelStudioMLBase", "LabelStudioMLBaseHelper", "LabelStudioMLChoices", "Combined"})


def model_classes(script: Path) -> list[str]:
    """Return the names of the model classes that `script` defines, in file order, without importing it.

    Classes that another class in the file inherits from, or has in `parts`, are omitted. Raises ModelFileError if the
    file cannot be read or is not Python.
    """
    reader = FileReader(script.resolve())
    names = reader.model_names()
    used = {
        other for name in names for other in (*reader.classes[name], *reader.parts[name]) if other != name
    }
    return [name for name in names if name not in used] or names


@dataclass(slots=True)
class FileReader:
    """The classes of one file, and the origin of their base classes.

    `classes` maps each class to the dotted names of its bases, `parts` to the names in the value that its body assigns
    to `parts` (see `label_studio_ml.combined`). `aliases` maps each name to the dotted name assigned to
    it; `assigned` holds all names that are assigned to. `root` is the folder where absolute imports start (None: the
    file's own). `open_files` are the files being read by the callers, so that circular imports end.
    """

    file: Path
    root: Path | None = None
    open_files: frozenset[Path] = frozenset()
    classes: dict[str, list[str]] = field(default_factory=dict, init=False)
    parts: dict[str, list[str]] = field(default_factory=dict, init=False)
    aliases: dict[str, str] = field(default_factory=dict, init=False)
    assigned: set[str] = field(default_factory=set, init=False)
    imports: list[Import] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        tree = parse(self.file)
        self.imports = imports_of(tree, self.file, self.root or self.file.parent)
        for node in _outer_statements(tree.body):
            if isinstance(node, ast.ClassDef):
                self.classes[node.name] = [dotted(base) for base in node.bases]
                self.parts[node.name] = list(_names_in_parts(node))
            elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                self.assigned |= {dotted(target) for target in targets}
                if dotted(node.value):
                    self.aliases |= {dotted(target): dotted(node.value) for target in targets}

    def model_names(self) -> list[str]:
        """Return the names of all model classes, including bases."""
        return [name for name in self.classes if self.is_model(name)]

    def binds(self, name: str) -> bool:
        """Tell whether the file defines, assigns or imports `name`; True if a star import may bind it."""
        return (
            name in self.classes
            or name in self.assigned
            or any(item.name in (name, "*") for item in self.imports)
        )

    def is_model(self, name: str, followed: frozenset[str] = frozenset()) -> bool:
        """Tell whether the dotted `name` refers to a model class. `followed` has the names followed before."""
        if name in self.classes and name not in followed:  # a base may be an import of the same name
            return any(self.is_model(base, followed | {name}) for base in self.classes[name])
        if name in self.aliases and name not in followed:
            return self.is_model(self.aliases[name], followed | {name})
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
    """Yield the statements that may run when the file is imported, including those in if, try and with blocks."""
    for node in body:
        yield node
        for inner in ("body", "orelse", "finalbody"):
            if isinstance(node, ast.If | ast.Try | ast.With):
                yield from _outer_statements(getattr(node, inner, []))
        if isinstance(node, ast.Try):
            for handler in node.handlers:
                yield from _outer_statements(handler.body)


def _names_in_parts(node: ast.ClassDef) -> Iterator[str]:
    """Yield the names in the value of the class attribute `parts`."""
    for statement in node.body:
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        else:
            continue
        if statement.value is not None and any(dotted(target) == "parts" for target in targets):
            yield from (inner.id for inner in ast.walk(statement.value) if isinstance(inner, ast.Name))


def dotted(node: ast.expr) -> str:
    """Return the dotted name of an expression such as `a.b.C` or `a.b.C[...]`; empty for any other."""
    if isinstance(node, ast.Subscript):
        return dotted(node.value)
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return node.id if isinstance(node, ast.Name) else ""
