"""Read the messages of all errors from the package's source: the fixed words of each, with `…` for its values.

The source is read instead of a list kept beside it, so that no message can be missing. Without source files there are
no templates.
"""

import ast
import itertools
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent

#: What stands for a value in a template.
VALUE = "…"

_CODE = re.compile(r'^    code = "LSML-E', re.MULTILINE)
_VALUES = re.compile(rf"{VALUE}(?:\s*{VALUE})+")
_WORD = re.compile(r"[^\W\d]{2,}")
#: The most texts that one expression stands for.
_MAX_COMBINATIONS = 16
#: How many assignments are followed from a variable to its text.
_MAX_DEPTH = 3
#: Methods of texts whose result has the same words.
_SAME_WORDS = ("strip", "rstrip", "capitalize")

#: Code by (module, class name).
Codes = dict[tuple[str, str], str]


@dataclass(frozen=True, slots=True, order=True)
class Template:
    """The message of an error with `code`, and its `fix`, which may be empty."""

    code: str
    message: str
    fix: str


@cache
def templates() -> tuple[Template, ...]:
    """Return the templates of all messages, in the order of their codes."""
    sources = {_module(path): path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
    codes = class_codes(sources)
    # A call of the class, its choice by a condition, or the type of a parameter that is called. Most modules have none.
    used = re.compile(rf"\b(?:{'|'.join(sorted({name for _, name in codes}))})(?:\(|\]| if )")
    found: set[Template] = set()
    for module, source in sources.items():
        if lines := {number for number, line in enumerate(source.splitlines(), 1) if used.search(line)}:
            found |= set(_of_module(module, ast.parse(source), codes, lines))
    return tuple(sorted(found))


def class_codes(sources: dict[str, str]) -> Codes:
    """Return the code of each class that sets one. `sources` are the texts of modules by name."""
    codes = {}
    for module, source in sources.items():
        if _CODE.search(source):
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, ast.ClassDef) and (code := _own_code(node)):
                    codes[module, node.name] = code
    return codes


def _module(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def _own_code(node: ast.ClassDef) -> str:
    for statement in node.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="code")], value=ast.Constant(value=str(code))):
                return code
    return ""


def _of_module(module: str, tree: ast.Module, codes: Codes, lines: set[int]) -> Iterator[Template]:
    """Yield the templates of the errors that a module makes, in functions with one of `lines`."""
    classes = _names_of_classes(module, tree, codes)
    constants = _assignments(tree.body)
    for scope, function in _scopes(tree):
        if function is not None and lines.isdisjoint(range(function.lineno, (function.end_lineno or 0) + 1)):
            continue
        nodes = list(_own_nodes(scope))
        texts = constants | _assignments(node for node in nodes if isinstance(node, ast.stmt))
        for node in nodes:
            if isinstance(node, ast.Call):
                code = _code_of(node.func, function, texts, classes)
                arguments = {keyword.arg: keyword.value for keyword in node.keywords}
                message = node.args[0] if node.args else arguments.get("message")
                if code and message is not None:
                    fixes = _texts(arguments["fix"], texts) if "fix" in arguments else [""]
                    fix = _line(max(fixes, key=len))
                    yield from (
                        Template(code, line, fix) for text in _texts(message, texts) if (line := _line(text))
                    )


def _line(text: str) -> str:
    """Return a text in one line; empty if it has no words that tell it from others, as in "Task …: …"."""
    words = _WORD.findall(text)
    return " ".join(text.split()) if len(words) > 1 or (words and VALUE not in text) else ""


def _names_of_classes(module: str, tree: ast.Module, codes: Codes) -> dict[str, str]:
    """Return the code of each error by the name that a module has for it, such as `errors.UnknownJob`."""
    names = {name: code for (owner, name), code in codes.items() if owner == module}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                own_name = alias.asname or alias.name
                if (node.module or "", alias.name) in codes:
                    names[own_name] = codes[node.module or "", alias.name]
                prefix = f"{node.module}.{alias.name}"
                names |= {
                    f"{own_name}.{name}": code for (owner, name), code in codes.items() if owner == prefix
                }
    return names


def _scopes(tree: ast.Module) -> Iterator[tuple[ast.AST, ast.FunctionDef | ast.AsyncFunctionDef | None]]:
    """Yield the module and each function, with the function."""
    yield tree, None
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node, node


def _own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """Walk a scope without the functions in it."""
    waiting = list(ast.iter_child_nodes(scope))
    while waiting:
        node = waiting.pop()
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
            waiting += ast.iter_child_nodes(node)


def _assignments(statements: Iterable[ast.AST]) -> dict[str, list[ast.expr]]:
    """Return the values that are assigned to each name, also as parts of tuples."""
    values: dict[str, list[ast.expr]] = {}
    for node in statements:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                pairs = [(target, node.value)]
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs = list(zip(target.elts, node.value.elts, strict=False))
                for name, value in pairs:
                    if isinstance(name, ast.Name):
                        values.setdefault(name.id, []).append(value)
    return values


def _code_of(
    called: ast.expr,
    function: ast.FunctionDef | ast.AsyncFunctionDef | None,
    assigned: dict[str, list[ast.expr]],
    classes: dict[str, str],
    depth: int = 0,
) -> str:
    """Return the code of the class that is called, directly or by a variable or parameter; empty if it has none."""
    if isinstance(called, ast.IfExp):
        return _code_of(called.body, function, assigned, classes, depth)
    name = ast.unparse(called) if isinstance(called, ast.Name | ast.Attribute) else ""
    if name in classes:
        return classes[name]
    if isinstance(called, ast.Name) and depth < _MAX_DEPTH:
        values = assigned.get(name, []) or _defaults(function, name)
        return next(
            (code for value in values if (code := _code_of(value, function, assigned, classes, depth + 1))),
            "",
        )
    return ""


def _defaults(function: ast.FunctionDef | ast.AsyncFunctionDef | None, name: str) -> list[ast.expr]:
    """Return the default of a parameter that is a class, or else the class that its annotation names."""
    if function is None:
        return []
    arguments = function.args
    ordered = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(ordered) - len(arguments.defaults))
    pairs = zip(
        [*ordered, *arguments.kwonlyargs],
        [*defaults, *arguments.defaults, *arguments.kw_defaults],
        strict=True,
    )
    for argument, default in pairs:
        if argument.arg == name:
            match argument.annotation:
                case ast.Subscript(value=ast.Name(id="type"), slice=annotated):
                    return [default or annotated]
    return []


def _texts(node: ast.expr, assigned: dict[str, list[ast.expr]], depth: int = 0) -> list[str]:
    """Return the texts that an expression may have, with `…` for what is not written in it."""
    match node:
        case ast.Constant(value=str(text)):
            found = [text]
        case ast.JoinedStr(values=parts):
            found = _joined([_texts_of_part(part, assigned, depth) for part in parts])
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            found = _joined([_texts(left, assigned, depth), _texts(right, assigned, depth)])
        case ast.IfExp(body=body, orelse=orelse):
            found = _texts(body, assigned, depth) + _texts(orelse, assigned, depth)
        case ast.Call(func=ast.Attribute(value=text, attr=method)) if method in _SAME_WORDS:
            found = _texts(text, assigned, depth)
        case ast.Name(id=name) if name in assigned and depth < _MAX_DEPTH:
            found = [text for value in assigned[name] for text in _texts(value, assigned, depth + 1)]
        case _:
            found = [VALUE]
    return [_VALUES.sub(VALUE, text) for text in found]


def _texts_of_part(part: ast.expr, assigned: dict[str, list[ast.expr]], depth: int) -> list[str]:
    """Return the texts of a part of an f-string: several if it is one of some that are written in the function."""
    if not isinstance(part, ast.FormattedValue):
        return _texts(part, assigned, depth)
    texts = [] if part.format_spec else _texts(part.value, assigned, depth)
    return texts if texts and VALUE not in "".join(texts) else [VALUE]


def _joined(parts: list[list[str]]) -> list[str]:
    """Return each combination of the parts' texts; parts with several texts become values if there are too many."""
    if math.prod(len(texts) for texts in parts) > _MAX_COMBINATIONS:
        parts = [texts if len(texts) == 1 else [VALUE] for texts in parts]
    return ["".join(texts) for texts in itertools.product(*parts)]
