"""Running a Python block of a page: each statement has to run, and each value in a comment has to be right."""

import ast
import io
import sys
import threading
import tokenize
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, FunctionType
from typing import Any

import pytest

from label_studio_ml import regions
from label_studio_ml.model import LabelStudioMLBase

from .blocks import Block

Names = dict[str, Any]

#: Names that the pages use without an import in each block.
USUAL_NAMES: Names = {"LabelStudioMLBase": LabelStudioMLBase, "regions": regions}

#: The name of the function that replaces a statement whose comment says the value.
_SHOWN = "__shown__"
#: The name that gets what a `return` outside of functions returns.
RETURNED = "returned"


@dataclass
class Snippet:
    """One run of a block in `folder`, the current folder meanwhile. `ran` are the lines of the page that have run."""

    block: Block
    folder: Path
    patch: pytest.MonkeyPatch
    ran: set[int] = field(default_factory=set)

    def run(self, /, *, replaced: dict[str, str] | None = None, **names: Any) -> Names:
        """Run the block with these names, with texts such as absolute paths replaced, and return all its names."""
        text = self.block.text
        for old, new in (replaced or {}).items():
            assert old in text
            text = text.replace(old, new)
        tree = _Prepared(self, stated_values(text)).visit(self._tree(text))
        namespace = {"__name__": "page", _SHOWN: self._compare, **USUAL_NAMES, **names}
        exec(compile(ast.fix_missing_locations(tree), self.block.page, "exec"), namespace)
        return namespace

    def methods(self, /, *, replaced: dict[str, str] | None = None, **names: Any) -> Names:
        """Run the block and return the functions that it defines, for a class of the caller."""
        found = self.run(replaced=replaced, **names)
        return {name: value for name, value in found.items() if self._is_own(value)}

    def model(self, label_config: str, *, globals: Names | None = None, **attributes: Any) -> Any:  # noqa: A002
        """Return a model of a class with the block's functions as methods, and with more attributes."""
        body = {**attributes, **self.methods(**(globals or {}))}
        return type("Model", (LabelStudioMLBase,), body)(label_config=label_config)

    def missed(self) -> list[str]:
        """Return the statements that have not run, with their lines on the page."""
        lines = self.block.text.splitlines()
        return [
            f"{self.block.page}:{span.start + self.block.line - 1}: {lines[span.start - 1].strip()}"
            for span in sorted(_statements(ast.parse(self.block.text)), key=lambda lines: lines.start)
            if not self.ran & {line + self.block.line - 1 for line in span}
        ]

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Note which lines run, also in threads that begin meanwhile."""

        def trace(frame: FrameType, event: str, _: Any) -> Any:
            if frame.f_code.co_filename != self.block.page:
                return None
            self.ran.add(frame.f_lineno)
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        threading.settrace(trace)
        try:
            yield
        finally:
            sys.settrace(before)
            threading.settrace(before)

    def _tree(self, text: str) -> ast.Module:
        tree = ast.parse(text, self.block.page)
        ast.increment_lineno(tree, self.block.line - 1)
        return tree

    def _is_own(self, value: Any) -> bool:
        return isinstance(value, FunctionType) and value.__code__.co_filename == self.block.page

    def _compare(self, value: Any, stated: Any, line: int) -> None:
        assert value == stated, f"{self.block.page}:{line}: the page says {stated!r}, the value is {value!r}"


def stated_values(text: str) -> dict[int, Any]:
    """Return the values that comments state, by line: `# "Car"` and `# None, with …` do, `# in pixels` does not."""
    found = {}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            for value in _literals(token.string.lstrip("# ")):
                found[token.start[0]] = value
                break
    return found


def _literals(comment: str) -> Iterator[Any]:
    ends = [len(comment), *(at for at in range(len(comment) - 1, 0, -1) if comment[at] in ",:")]
    for end in ends:
        try:
            yield ast.literal_eval(comment[:end].strip())
        except (SyntaxError, ValueError):
            continue


class _Prepared(ast.NodeTransformer):
    """The tree of a block with a comparison for each stated value, and with a name in place of an outer `return`."""

    def __init__(self, snippet: Snippet, stated: dict[int, Any]) -> None:
        self._stated = {line + snippet.block.line - 1: value for line, value in stated.items()}

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        outer, self.visit_Return = self.visit_Return, self.generic_visit  # type: ignore[method-assign]
        self.generic_visit(node)
        self.visit_Return = outer  # type: ignore[method-assign]
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        target = ast.Name(RETURNED, ast.Store())
        return ast.copy_location(ast.Assign([target], node.value or ast.Constant(None)), node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        line = node.end_lineno or node.lineno
        if line not in self._stated:
            return node
        stated = ast.parse(repr(self._stated[line]), mode="eval").body
        arguments = [node.value, stated, ast.Constant(line)]
        call = ast.Call(ast.Name(_SHOWN, ast.Load()), arguments, [])
        return ast.copy_location(ast.Expr(ast.copy_location(call, node)), node)


def _statements(tree: ast.AST) -> Iterator[range]:
    """Yield the lines of each statement that does something; of one with a body, those above the body."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt) or _does_nothing(node):
            continue
        body = getattr(node, "body", None)
        # The body of `class A: ...` is in the line of its head.
        end = max(body[0].lineno, node.lineno + 1) if body else (node.end_lineno or node.lineno) + 1
        yield range(node.lineno, end)


def _does_nothing(node: ast.stmt) -> bool:
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


#: What runs a block and asserts what it does.
Scenario = Callable[[Snippet], None]

#: Page and the start of a line of the block -> its scenario.
SCENARIOS: dict[tuple[str, str], Scenario] = {}


def scenario(page: str, line: str) -> Callable[[Scenario], Scenario]:
    """Register the decorated function as what runs the block of `page` that has a line beginning with `line`."""

    def register(function: Scenario) -> Scenario:
        assert (page, line) not in SCENARIOS
        SCENARIOS[page, line] = function
        return function

    return register


def scenarios_of(block: Block) -> list[Scenario]:
    """Return the registered scenarios of a block: one, or none if it runs by itself."""
    lines = [line.strip() for line in block.text.splitlines()]
    return [
        function
        for (page, start), function in SCENARIOS.items()
        if page == block.page and any(line.startswith(start) for line in lines)
    ]
