"""Find the line of the user's code that a failure comes from."""

import ast
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import FrameType

from label_studio_ml.user_code.import_scan import INSTALLED

#: A file below the user's folder, and the number of a line in it; ("", 0) if there is none.
Place = tuple[str, int]

NOWHERE: Place = ("", 0)


class UserCode:
    """The code of the model class `class_name` in `script`, and of the modules in the user's `folder`."""

    def __init__(self, folder: Path, script: Path, class_name: str) -> None:
        self._folder = folder.resolve()
        self._script = script.resolve()
        self._class_name = class_name

    def owns(self, file: str) -> bool:
        """Tell whether a file is the user's: in the folder of the backend or of the model file, and not installed."""
        path = Path(file)
        if not path.is_absolute() or INSTALLED.intersection(path.parts):
            return False
        return path.is_relative_to(self._folder) or path.is_relative_to(self._script.parent)

    def place_of(self, error: BaseException) -> Place:
        """Return the last line of the user's code in an exception's traceback."""
        frames = traceback.extract_tb(error.__traceback__)
        places = [(frame.filename, frame.lineno or 0) for frame in frames if self.owns(frame.filename)]
        return self.shown(places[-1]) if places else NOWHERE

    def place_on_stack(self, frame: FrameType | None) -> Place:
        """Return the innermost line of the user's code on the stack of `frame`."""
        while frame is not None:
            if self.owns(frame.f_code.co_filename):
                return self.shown((frame.f_code.co_filename, frame.f_lineno))
            frame = frame.f_back
        return NOWHERE

    def raises_by_itself(self, error: BaseException) -> bool:
        """Tell whether a `raise` or `assert` statement of the user's code raised the exception, with a message."""
        return bool(str(error)) and self.refuses(error)

    def refuses(self, error: BaseException) -> bool:
        """Tell whether a `raise` or `assert` statement of the user's code raised the exception."""
        frames = traceback.extract_tb(error.__traceback__)
        return bool(frames) and self.owns(frames[-1].filename) and is_raised_at(frames[-1], error)

    def method(self, *names: str) -> Place:
        """Return the line of the first of these methods that the class, or its file, defines; else the class's line."""
        tree = _tree(self._script)
        classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        own = [node for node in classes if node.name == self._class_name]
        for scope in (*own, tree):
            for name in names:
                if line := _definition(ast.walk(scope), name):
                    return self.shown((str(self._script), line))
        return self.shown((str(self._script), own[0].lineno if own else 1))

    def literal(self, text: str) -> Place:
        """Return the line of the model file where a string literal stands, NOWHERE unless it stands there once."""
        lines = [
            node.lineno
            for node in ast.walk(_tree(self._script))
            if text and isinstance(node, ast.Constant) and node.value == text
        ]
        return self.shown((str(self._script), lines[0])) if len(lines) == 1 else NOWHERE

    def shown(self, place: Place) -> Place:
        """Return a place with its file relative to the user's folder."""
        path = Path(place[0])
        for folder in (self._folder, self._script.parent):
            if path.is_relative_to(folder):
                return path.relative_to(folder).as_posix(), place[1]
        return place

    def code_of(self, function: object) -> Place:
        """Return the first line of a function of the user's, NOWHERE for another object."""
        code = getattr(getattr(function, "__func__", function), "__code__", None)
        if code is None or not self.owns(code.co_filename):
            return NOWHERE
        return self.shown((code.co_filename, code.co_firstlineno))


def is_raised_at(frame: traceback.FrameSummary, error: BaseException) -> bool:
    """Tell whether a `raise` or `assert` statement raised an exception in `frame`, not an expression in its line."""
    line = frame.lineno or 0
    for node in ast.walk(_tree(Path(frame.filename))):
        if isinstance(node, ast.Raise):
            is_it = node.lineno == line and frame.colno in (None, node.col_offset)
        elif isinstance(node, ast.Assert):
            is_it = isinstance(error, AssertionError) and node.lineno <= line <= (node.end_lineno or line)
        else:
            continue
        if is_it:
            return True
    return False


def caller(depth: int) -> FrameType | None:
    """Return the frame `depth` calls above the caller of this function."""
    try:
        return sys._getframe(depth + 1)
    except ValueError:
        return None


def _tree(script: Path) -> ast.Module:
    try:
        return ast.parse(script.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ast.Module(body=[], type_ignores=[])


def _definition(nodes: Iterable[ast.AST], name: str) -> int:
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            return node.lineno
    return 0
