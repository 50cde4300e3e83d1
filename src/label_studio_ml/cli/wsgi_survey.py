"""What a `_wsgi.py` says beyond the name of its class, as far as reading tells."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

from label_studio_ml.classes import dotted
from label_studio_ml.imports import parse

#: Calls in a `_wsgi.py` that set nothing for the model.
_PLAIN_CALLS = frozenset(
    {
        *(
            "os.path.join",
            "os.path.dirname",
            "os.path.abspath",
            "os.path.realpath",
            "os.environ.get",
            "os.getenv",
        ),
        *(
            "Path",
            "pathlib.Path",
            "Path(__file__).resolve",
            "str",
            "int",
            "float",
            "bool",
            "dict",
            "constructor_arguments",
        ),
        *("logging.getLogger", "logging.basicConfig", "logging.config.dictConfig"),
    }
)

#: Values of `init_app`'s arguments that `init` of release 1.0.9, and of ours, wrote. They say nothing.
_TEMPLATE_VALUES = {
    "model_dir": {
        "os.environ.get('MODEL_DIR', os.path.dirname(__file__))",
        "os.environ.get('MODEL_DIR', args.model_dir)",
        "os.path.dirname(__file__)",
    },
    "redis_queue": {"os.environ.get('RQ_QUEUE_NAME', 'default')"},
    "redis_host": {"os.environ.get('REDIS_HOST', 'localhost')"},
    "redis_port": {"os.environ.get('REDIS_PORT', 6379)"},
}

#: Arguments of `init_app` that `start` has options for.
_START_OPTIONS = frozenset({"basic_auth_user", "basic_auth_pass", "model_dir"})

#: Options of `app.run` that `start` has too, or that say nothing of use.
_RUN_OPTIONS = frozenset({"host", "port", "debug", "threaded", "use_reloader"})


@dataclass(slots=True)
class Survey:
    """What reading tells of a `_wsgi.py`.

    `arguments` are those of `init_app` that are written out, `needs_run` tells that reading does not show everything,
    and `unused` names what `start` has no use for. `script_arguments` are those that are written out in functions and
    below `if __name__ == "__main__"`, which the older `start` ran; `script_unused` names the others there.
    """

    arguments: dict[str, Any] = field(default_factory=dict)
    needs_run: bool = False
    unused: list[str] = field(default_factory=list)
    script_arguments: dict[str, Any] = field(default_factory=dict)
    script_unused: list[str] = field(default_factory=list)


def survey(wsgi: Path) -> Survey:
    """Read a `_wsgi.py`. Raises ModelFileError if it is not Python."""
    tree = parse(wsgi)
    found = Survey()
    for statement in _imported_statements(tree.body):
        _look_at(statement, found)
    for call in _script_calls(tree.body):
        _take_script_arguments(call, found)
    found.unused += _run_options(tree)
    return found


def _imported_statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the top-level statements that run at import: all but those of `if __name__ == "__main__"`."""
    for node in body:
        if _is_script_test(node):
            yield from _imported_statements(node.orelse)
        elif not isinstance(node, ast.Import | ast.ImportFrom):
            yield node


def _script_calls(body: list[ast.stmt]) -> Iterator[ast.Call]:
    """Yield the calls of `init_app` in functions (`main`, `create_app`) and below `if __name__ == "__main__"`.

    Of functions only where there is one such call: of several it is not known which is meant.
    """
    functions = [node for node in body if isinstance(node, ast.FunctionDef)]
    calls = [call for node in functions for call in _calls_of_init_app(node)]
    if len(calls) == 1:
        yield from calls
    for node in body:
        if _is_script_test(node):
            for statement in node.body:
                yield from _calls_of_init_app(statement)


def _calls_of_init_app(node: ast.stmt) -> Iterator[ast.Call]:
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and dotted(call.func).rpartition(".")[2] == "init_app":
            yield call


def _is_script_test(node: ast.stmt) -> TypeGuard[ast.If]:
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)


def _take_script_arguments(call: ast.Call, found: Survey) -> None:
    """Take the arguments that are written out in a call that importing the file does not reach."""
    for word in call.keywords:
        if word.arg in (None, "model_class"):  # of None, what is given as `**kwargs`, start has its own
            continue
        spelled = ast.unparse(word.value)
        if spelled in _TEMPLATE_VALUES.get(word.arg, ()):
            continue
        if word.arg in _START_OPTIONS and spelled == f"args.{word.arg}":
            continue
        try:
            value = ast.literal_eval(word.value)
        except ValueError:
            found.script_unused.append(f"{word.arg}={spelled}")
        else:
            found.script_arguments |= {} if value is None else {word.arg: value}


def _look_at(node: ast.stmt, found: Survey) -> None:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        found.needs_run |= bool(node.decorator_list)
        return
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call) and dotted(inner.func).rpartition(".")[2] == "init_app":
            _take_arguments(inner, found)
        elif isinstance(inner, ast.Call):
            found.needs_run |= ast.unparse(inner.func) not in _PLAIN_CALLS
        elif isinstance(inner, ast.Attribute | ast.Subscript) and isinstance(inner.ctx, ast.Store | ast.Del):
            found.needs_run = True
            if isinstance(inner, ast.Attribute) and dotted(inner).partition(".")[0][:1].isupper():
                found.unused.append(f"{dotted(inner)} = …")


def _take_arguments(call: ast.Call, found: Survey) -> None:
    given = [word for word in call.keywords if word.arg != "model_class"]
    for word in given:
        spelled = ast.unparse(word.value)
        if word.arg is None:
            found.needs_run |= spelled != "constructor_arguments(FOLDER)"
        elif spelled in _TEMPLATE_VALUES.get(word.arg, ()):
            continue
        else:
            try:
                value = ast.literal_eval(word.value)
            except ValueError:
                found.needs_run = True
            else:
                found.arguments |= {} if value is None else {word.arg: value}
    model = [word.value for word in call.keywords if word.arg == "model_class"] or call.args[:1]
    found.needs_run |= bool(model) and not dotted(model[0])


def _run_options(tree: ast.Module) -> list[str]:
    """Return the options of `app.run` that `start` does not have."""
    apps = {
        dotted(target)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        if dotted(node.value.func).rpartition(".")[2] == "init_app"
        for target in node.targets
    }
    return [
        f"app.run({word.arg}=…)"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and dotted(node.func).rpartition(".")[::2] in {(app, "run") for app in apps}
        for word in node.keywords
        if word.arg and word.arg not in _RUN_OPTIONS
    ]
