"""Import the user's model class. In this process, user code runs only here, where a file is imported."""

import contextlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import ModelFileError
from label_studio_ml.import_paths import user_path
from label_studio_ml.processes.forked_children import UserCode
from label_studio_ml.support.texts import shell_command
from label_studio_ml.user_code.class_search import model_classes
from label_studio_ml.user_code.import_scan import INSTALLED, distribution, imports_of, is_installed, parse
from label_studio_ml.user_code.model_source import ModelSource, locate, naming_fix

_is_importing: ContextVar[bool] = ContextVar("is_importing", default=False)


def user_class(settings: Settings) -> type:
    """Locate and import the model class that `settings` name, as the backend's own `_wsgi.py` would.

    In addition to the model file's folder, the backend's folder and the settings' `python_path` are on `sys.path`.
    Raises ModelFileError.
    """
    source = locate(settings.backend_dir, settings.script, settings.class_name)
    return load_class(source, folders=[str(settings.backend_dir)], last=settings.python_path)


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
            fix=naming_fix(script, model_classes(script)),
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
