"""Parse a `_wsgi.py`, without executing it, for the arguments of its `init_app` call."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from label_studio_ml.user_code.class_search import dotted
from label_studio_ml.user_code.import_scan import parse

#: Calls in a `_wsgi.py` that need not be executed, because they set nothing for the model.
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

#: Values of `init_app`'s arguments in the templates of release 1.0.9 and of this package. They equal the defaults.
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

#: Arguments of `init_app` that may be given by position, after the class.
_LOGIN = ("basic_auth_user", "basic_auth_pass")

#: Arguments of `init_app` that `start` has options for.
_START_OPTIONS = frozenset({*_LOGIN, "model_dir"})

#: Definitions, of which only the decorators are examined, because their bodies set nothing at import.
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

#: Options of `app.run` that `start` has, too, or does not need.
_RUN_OPTIONS = frozenset({"host", "port", "debug", "threaded", "use_reloader"})


@dataclass(slots=True)
class Survey:
    """The result of parsing a `_wsgi.py`.

    `arguments` are the arguments of `init_app` that are literals. `needs_run` is True if the file must be executed to
    know the others. `unused` names parts of the file that `start` does not use. `script_arguments` are the literal
    arguments in functions and under `if __name__ == "__main__"`, which older releases of `start` executed;
    `script_unused` are the other arguments there.
    """

    arguments: dict[str, Any] = field(default_factory=dict)
    needs_run: bool = False
    unused: list[str] = field(default_factory=list)
    script_arguments: dict[str, Any] = field(default_factory=dict)
    script_unused: list[str] = field(default_factory=list)


def survey(wsgi: Path) -> Survey:
    """Parse a `_wsgi.py`. Raises ModelFileError if it is not Python."""
    tree = parse(wsgi)
    result = Survey()
    for statement in _imported_statements(tree.body):
        _survey_statement(statement, result)
    calls = _Calls.of(tree.body)
    for call in calls.imported:
        _add_arguments(call, result)
    defaults = _option_defaults(tree)
    for call in calls.script:
        _add_script_arguments(call, defaults, result)
    result.unused += _run_options(tree)
    return result


def _branches(node: ast.stmt) -> tuple[list[ast.stmt], list[ast.stmt]] | None:
    """Return the statements that an `if __name__ == "__main__"` runs as a script, and those that it runs at import.

    None for other statements.
    """
    if not isinstance(node, ast.If) or "__name__" not in (test := ast.unparse(node.test)):
        return None
    negated = "!=" in test or test.startswith("not ")
    return (node.orelse, node.body) if negated else (node.body, node.orelse)


def _imported_statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the top-level statements that run at import, without imports and the body of a `__main__` check."""
    for node in body:
        if (branches := _branches(node)) is not None:
            yield from _imported_statements(branches[1])
        elif not isinstance(node, ast.Import | ast.ImportFrom):
            yield node


@dataclass(frozen=True, slots=True)
class _Calls:
    """The calls of `init_app` in functions and under `if __name__ == "__main__"`.

    `imported` are in functions that are called at import. `script` are under `if __name__ == "__main__"`, or in
    functions that are called there; if `init_app` is called nowhere else, those in any function of the file (such as
    `create_app`, for `gunicorn "_wsgi:create_app()"`). If functions have several calls, it is ambiguous which one
    applies, and none is used.
    """

    imported: list[ast.Call]
    script: list[ast.Call]

    @classmethod
    def of(cls, body: list[ast.stmt]) -> "_Calls":
        functions = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
        at_import = [node for node in _imported_statements(body) if not isinstance(node, _DEFINITIONS)]
        as_script = [node for item in body for node in (_branches(item) or ([], []))[0]]
        run_at_import = _functions_used(at_import, functions)
        run_as_script = [node for node in _functions_used(as_script, functions) if node not in run_at_import]
        written, in_functions = _calls_of_init_app(as_script), _calls_of_init_app(run_as_script)
        if not _calls_of_init_app([*as_script, *at_import, *run_at_import, *run_as_script]):
            in_functions = _calls_of_init_app([*functions.values()])
        return cls(_only(_calls_of_init_app(run_at_import)), [*_only(in_functions), *written])


def _functions_used(
    statements: Sequence[ast.stmt], functions: Mapping[str, ast.FunctionDef]
) -> list[ast.FunctionDef]:
    """Return the functions of the file that `statements` refer to, directly or through other functions."""
    used: dict[str, ast.FunctionDef] = {}
    remaining = [*statements]
    while remaining:
        for node in ast.walk(remaining.pop()):
            if isinstance(node, ast.Name) and node.id in functions and node.id not in used:
                used[node.id] = functions[node.id]
                remaining.append(functions[node.id])
    return [*used.values()]


def _calls_of_init_app(nodes: Sequence[ast.stmt]) -> list[ast.Call]:
    return [
        call
        for node in nodes
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and dotted(call.func).rpartition(".")[2] == "init_app"
    ]


def _only(calls: list[ast.Call]) -> list[ast.Call]:
    return calls if len(calls) == 1 else []


def _arguments(call: ast.Call) -> Iterator[tuple[str | None, ast.expr]]:
    """Yield name and value of the arguments of an `init_app` call, without the class.

    The name is None for `**kwargs` and `*args`.
    """
    for name, value in zip_longest(("model_class", *_LOGIN), call.args):
        if value is not None and name != "model_class":
            yield (None if isinstance(value, ast.Starred) else name), value
    for keyword in call.keywords:
        if keyword.arg != "model_class":
            yield keyword.arg, keyword.value


def _option_defaults(tree: ast.Module) -> dict[str, Any]:
    """Return the literal defaults of an argument parser's options by attribute name (`rate` for `args.rate`).

    Left out are strings that the option's `type` converts.
    """
    defaults: dict[str, Any] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or dotted(node.func).rpartition(".")[2] != "add_argument":
            continue
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        try:
            names = [
                str(ast.literal_eval(name)) for name in [*node.args, *filter(None, [keywords.get("dest")])]
            ]
            value = ast.literal_eval(keywords["default"])
        except (KeyError, ValueError):
            continue
        converted = isinstance(value, str) and "type" in keywords and ast.unparse(keywords["type"]) != "str"
        if names and value is not None and not converted:
            long = [name for name in names if name.startswith("--")] or names
            name = names[-1] if "dest" in keywords else long[0]
            defaults[name.lstrip("-").replace("-", "_")] = value
    return defaults


def _add_script_arguments(call: ast.Call, defaults: Mapping[str, Any], result: Survey) -> None:
    """Add the arguments of an `init_app` call that does not run at import to `result`.

    `defaults` are the default values of the file's command-line options: older releases of `start` passed no options.
    """
    for name, expression in _arguments(call):
        if name is None:  # `**kwargs`: start builds these itself
            continue
        source_text = ast.unparse(expression)
        option = source_text.removeprefix("args.")
        if source_text in _TEMPLATE_VALUES.get(name, ()):
            continue
        if option != source_text and option in defaults:
            result.script_arguments[name] = defaults[option]
            continue
        if name in _START_OPTIONS and option == name:
            continue
        try:
            value = ast.literal_eval(expression)
        except ValueError:
            result.script_unused.append(f"{name}={source_text}")
        else:
            result.script_arguments |= {} if value is None else {name: value}


def _survey_statement(node: ast.stmt, result: Survey) -> None:
    if isinstance(node, _DEFINITIONS):
        result.needs_run |= bool(node.decorator_list)
        return
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call) and dotted(inner.func).rpartition(".")[2] == "init_app":
            _add_arguments(inner, result)
        elif isinstance(inner, ast.Call):
            result.needs_run |= ast.unparse(inner.func) not in _PLAIN_CALLS
        elif isinstance(inner, ast.Attribute | ast.Subscript) and isinstance(inner.ctx, ast.Store | ast.Del):
            result.needs_run = True
            if isinstance(inner, ast.Attribute) and dotted(inner).partition(".")[0][:1].isupper():
                result.unused.append(f"{dotted(inner)} = …")


def _add_arguments(call: ast.Call, result: Survey) -> None:
    for name, expression in _arguments(call):
        source_text = ast.unparse(expression)
        if name is None:
            result.needs_run |= source_text != "constructor_arguments(FOLDER)"
        elif source_text in _TEMPLATE_VALUES.get(name, ()):
            continue
        else:
            try:
                value = ast.literal_eval(expression)
            except ValueError:
                result.needs_run = True
            else:
                result.arguments |= {} if value is None else {name: value}
    model = [keyword.value for keyword in call.keywords if keyword.arg == "model_class"] or call.args[:1]
    result.needs_run |= bool(model) and not dotted(model[0])


def _run_options(tree: ast.Module) -> list[str]:
    """Return the options of `app.run` calls that `start` does not use, as text for a remark."""
    apps = {
        dotted(target)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        if dotted(node.value.func).rpartition(".")[2] == "init_app"
        for target in node.targets
    }
    return [
        f"app.run({keyword.arg}=…)"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and dotted(node.func).rpartition(".")[::2] in {(app, "run") for app in apps}
        for keyword in node.keywords
        if keyword.arg and keyword.arg not in _RUN_OPTIONS
    ]
