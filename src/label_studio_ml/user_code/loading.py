"""Locate the user's model class, and import it.

Locating a class reads files; a file in which no class is found that way is imported in a child process.
In this process, user code runs only where a file is imported: `user_class`, `load_class`, `import_model_file`.
"""

import ast
import contextlib
import importlib.util
import logging
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import ModelFileError
from label_studio_ml.import_paths import user_path
from label_studio_ml.processes.forked_children import UserCode
from label_studio_ml.support.texts import our_command, shell_command
from label_studio_ml.user_code.class_import import imported_classes
from label_studio_ml.user_code.class_search import FileReader, dotted, model_classes
from label_studio_ml.user_code.code_identity import CodeIdentity, identify
from label_studio_ml.user_code.import_scan import (
    INSTALLED,
    Import,
    MissingModule,
    distribution,
    imported_siblings,
    imports_of,
    installed_folder,
    is_installed,
    missing_modules,
    module_files,
    parse,
)

__all__ = [
    "MissingModule",
    "ModelSource",
    "code_on_disk",
    "forget_modules",
    "import_file",
    "import_model_file",
    "imported_siblings",
    "is_importing",
    "load_class",
    "locate",
    "missing_modules",
    "model_classes",
    "served_class",
    "user_class",
]

logger = logging.getLogger(__name__)


_is_importing: ContextVar[bool] = ContextVar("is_importing", default=False)

#: Files in a backend's folder that are not searched for models.
_NOT_MODELS = frozenset({"_wsgi.py", "conftest.py", "setup.py"})


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model file and the name of the model class in it."""

    script: Path
    class_name: str


def user_class(settings: Settings) -> type:
    """Locate and import the model class that `settings` name, as the backend's own `_wsgi.py` would.

    In addition to the model file's folder, the backend's folder and the settings' `python_path` are on `sys.path`.
    Raises ModelFileError.
    """
    source = locate(settings.backend_dir, settings.script, settings.class_name)
    return load_class(source, folders=[str(settings.backend_dir)], last=settings.python_path)


def locate(folder: Path, script: Path | None = None, class_name: str = "") -> ModelSource:
    """Locate the model class of the backend in `folder`.

    A given `script` (relative to `folder`) or `class_name` takes precedence, then the class that `_wsgi.py` serves,
    then `model.py`, then the only file with a model class. Raises ModelFileError, with the fix, if there is no such
    class or more than one.
    """
    if script is not None:
        path = folder / script
        if not path.is_file():
            raise ModelFileError(f"There is no model file {path}", field=str(path))
        return _source_of(path.resolve(), class_name)
    if not folder.is_dir():
        raise ModelFileError(
            f"There is no folder {folder}",
            fix=f"Make it with: {our_command('init', folder)}",
            field=str(folder),
        )
    wsgi, broken = folder.resolve() / "_wsgi.py", None
    try:
        served = served_class(wsgi)
    except ModelFileError as error:
        served, broken = None, error
    if served is not None and class_name in ("", served.class_name):
        return served
    model = folder.resolve() / "model.py"
    try:
        source = (
            _source_of(model, class_name) if model.is_file() else _only_source(folder.resolve(), class_name)
        )
    except ModelFileError as error:
        raise broken or error from None
    if broken is not None:
        logger.warning("%s. Instead, %s of %s is used", broken.message, source.class_name, source.script)
    return source


def load_class(source: ModelSource, folders: Sequence[str] = (), last: Sequence[str] = ()) -> type:
    """Import the file of `source` and return its class.

    On `sys.path`, the file's folder comes first and stays there, as when the file is run as a script, followed by
    `folders`, with `last` at the end. A file that is already imported is not run again. Raises ModelFileError, with the
    user's file and line, on any failure.
    """
    module = import_model_file(source.script, folders, last)
    script = source.script.resolve()
    cls = getattr(module, source.class_name, None)
    if cls is None:  # a file with functions only: the decorators register them for the base class
        cls = getattr(sys.modules.get("label_studio_ml.model"), source.class_name, None)
    if not isinstance(cls, type):
        raise ModelFileError(
            f"{script} has no class {source.class_name}",
            fix=_naming_fix(script, model_classes(script)),
            field=str(script),
        )
    return cls


def import_model_file(script: Path, folders: Sequence[str] = (), last: Sequence[str] = ()) -> ModuleType:
    """Return the module of a model file, importing it if necessary. Raises ModelFileError.

    `folders` and `last` are for `sys.path`, as in `load_class`.
    """
    script = script.resolve()
    name, root = _module_name(script)
    if root.name in INSTALLED:  # modules of installed packages are imported by their full names only
        user_path.enter(folders, [str(root), *last])
    else:
        user_path.enter([str(script.parent), str(root), *folders], last)
    module = sys.modules.get(name)
    if module is None or getattr(module, "__file__", None) != str(script):
        module = import_file(script, name)
    return module


def code_on_disk(folder: Path, script: Path | None = None, class_name: str = "") -> CodeIdentity:
    """Return the code identity of the backend in `folder`, from its files; without a hash if they are unreadable."""
    try:
        return identify(locate(folder, script, class_name).script)
    except (ModelFileError, OSError):
        return CodeIdentity()


def is_importing() -> bool:
    """Tell whether this thread is importing a model file, so that a server which the file starts must not run."""
    return _is_importing.get()


def forget_modules(folder: Path) -> None:
    """Remove modules imported from `folder` from `sys.modules`, except installed packages, to have them reloaded."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name == "__main__" or not isinstance(file, str):
            continue
        parts = Path(file).parts
        if Path(file).is_relative_to(folder) and not INSTALLED.intersection(parts):
            del sys.modules[name]


def _source_of(script: Path, class_name: str) -> ModelSource:
    """Return the model class of `script` named `class_name`, or its only one. Raises ModelFileError."""
    names = _models(script)
    if class_name:
        if class_name not in names and not FileReader(script).binds(class_name):
            raise ModelFileError(
                f"{script} has no class {class_name}", fix=_naming_fix(script, names), field=str(script)
            )
        return ModelSource(script, class_name)
    if not names:
        names = imported_classes(script)
    if len(names) != 1:
        problem = (
            f"{len(names)} model classes, {', '.join(names)}"
            if names
            else "no class that inherits LabelStudioMLBase"
        )
        raise ModelFileError(f"{script} has {problem}", fix=_naming_fix(script, names), field=str(script))
    return ModelSource(script, names[0])


def _models(script: Path) -> list[str]:
    """Return the names of the model classes of `script`, found by reading it.

    If the file has none but registers functions with the decorators, this is the base class, which calls them.
    """
    names = model_classes(script)
    functions = ("label_studio_ml.model.predict_fn", "label_studio_ml.model.update_fn")
    if not names and any(item.target in functions for item in FileReader(script).imports):
        return ["LabelStudioMLBase"]
    return names


def _only_source(folder: Path, class_name: str) -> ModelSource:
    """Return the model class of the only file in `folder` that has one. Raises ModelFileError."""
    names_by_script: dict[Path, list[str]] = {}
    broken: list[ModelFileError] = []
    for script in sorted(folder.glob("*.py")):
        if script.name in _NOT_MODELS or script.name.startswith("test_") or script.name.endswith("_test.py"):
            continue
        try:
            names = _models(script)
        except ModelFileError as error:
            broken.append(error)
            continue
        if names and class_name in ("", *names):
            names_by_script[script] = names
    used = {sibling for script in names_by_script for sibling in imported_siblings(script)}
    scripts = [script for script in names_by_script if script not in used] or list(names_by_script)
    if len(scripts) == 1:
        return _source_of(scripts[0], class_name)
    if scripts:
        listed = ", ".join(f"{script.name}:{name}" for script in scripts for name in names_by_script[script])
        raise ModelFileError(
            f"{folder} has several files with a model class: {listed}",
            fix=f"Name one with {shell_command('--script', f'{scripts[0].name}:{names_by_script[scripts[0]][0]}')}",
            field=str(folder),
        )
    if broken:
        raise broken[0]
    description = f"called {class_name}" if class_name else "that inherits LabelStudioMLBase"
    raise ModelFileError(
        f"No Python file in {folder} has a class {description}",
        fix=_naming_fix(folder / "model.py", []),
        field=str(folder),
    )


def served_class(wsgi: Path) -> ModelSource | None:
    """Return the class that a `_wsgi.py` passes to `init_app`; None if there is no such file or call."""
    if not wsgi.is_file():
        return None
    tree = parse(wsgi)
    imports: Mapping[str, Import] = {item.name: item for item in imports_of(tree, wsgi, wsgi.parent)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or dotted(node.func).rpartition(".")[2] != "init_app":
            continue
        arguments = [word.value for word in node.keywords if word.arg == "model_class"] or node.args[:1]
        head, _, rest = dotted(arguments[0]).partition(".") if arguments else ("", "", "")
        if not rest and any(
            isinstance(statement, ast.ClassDef) and statement.name == head for statement in tree.body
        ):
            return ModelSource(wsgi, head)
        item = imports.get(head)
        if item is None or item.target.startswith("label_studio_ml."):
            continue
        target = f"{item.binds}.{rest}" if rest else item.binds
        files, attributes = module_files(item.folder, target)
        if not files and (installed := installed_folder(item.top)) is not None:
            files, attributes = module_files(installed, target)
        if not files or len(attributes) != 1:
            raise ModelFileError(
                f"{wsgi}, line {item.line}, imports {item.target}, which is neither in that folder nor installed",
                fix="Put the file back, or name the model with --script FILE:CLASS",
                field=str(wsgi),
            )
        if FileReader(files[-1]).binds(attributes[0]):
            return ModelSource(files[-1], attributes[0])
        return _source_of(files[-1], "")  # the class has been renamed
    return None


def _naming_fix(script: Path, names: list[str]) -> str:
    if names:
        return f"Name one with {shell_command('--script', f'{script.name}:{names[0]}')}"
    return (
        "Write in it: from label_studio_ml.model import LabelStudioMLBase; class MyModel(LabelStudioMLBase); "
        "or name another file's class with --script FILE:CLASS"
    )


def _module_name(script: Path) -> tuple[str, Path]:
    """Return the name under which to import `script`, and the folder in which that name starts."""
    installed = next((folder for folder in script.parents if folder.name in INSTALLED), None)
    if installed is not None:
        names = script.relative_to(installed).with_suffix("").parts
        return ".".join(names[:-1] if names[-1] == "__init__" else names), installed
    relative = any(item.relative for item in imports_of(parse(script), script, script.parent))
    package = script.stem == "__init__"
    if package or (relative and (script.parent / "__init__.py").is_file()):
        parts, folder = [] if package else [script.stem], script.parent
        while (folder / "__init__.py").is_file():
            parts.insert(0, folder.name)
            folder = folder.parent
        return ".".join(parts), folder
    if script.stem in sys.stdlib_module_names or script.stem in user_path.NEEDED:
        # A file such as `platform.py` or `requests.py` must not replace the module of that name.
        return f"_user_{script.stem}", script.parent
    return script.stem, script.parent


def import_file(script: Path, name: str) -> ModuleType:
    """Run `script` as the module `name` and return it. Raises ModelFileError, with the user's file and line.

    During the import, `sys.argv` has no arguments: a `parse_args()` in the file would refuse those of this process. In
    a process started for user code only, `sys.argv` stays so.
    """
    spec = importlib.util.spec_from_file_location(name, script)
    if spec is None or spec.loader is None:
        raise ModelFileError(f"{script} is not a Python file", field=str(script))
    module = importlib.util.module_from_spec(spec)
    previous = sys.modules.get(name)
    sys.modules[name] = module
    arguments, sys.argv[:] = sys.argv[:], [str(script)]
    try:
        with _importing(), UserCode():
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        if previous is None:
            sys.modules.pop(name, None)
        else:
            sys.modules[name] = previous
        raise _import_error(script, error) from error
    finally:
        if not user_path.is_own_process():
            sys.argv[:] = arguments
    return module


@contextlib.contextmanager
def _importing() -> Iterator[None]:
    token = _is_importing.set(True)
    try:
        yield
    finally:
        _is_importing.reset(token)


def _import_error(script: Path, error: BaseException) -> ModelFileError:
    """Return the ModelFileError for an exception during the import: what failed, where, and the fix."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(script.parent) and "site-packages" not in frame.filename
    ]
    where = f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else str(script)
    if isinstance(error, SyntaxError):
        where = f"{error.filename}, line {error.lineno}"
    top = (getattr(error, "name", None) or "").partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and top and not is_installed(top):
        return ModelFileError(
            f"{where}: the module {top} is not installed",
            fix=f"Install it with: {shell_command('pip', 'install', distribution(error.name or top))}",
            field=str(script),
        )
    fix = ""
    if isinstance(error, ImportError) and top and top == script.stem:
        fix = f"{script.name} has the name of a package that it imports: give the file another name"
    return ModelFileError(f"{where}: {type(error).__name__}: {error}", fix=fix, field=str(script))
