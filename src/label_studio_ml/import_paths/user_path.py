"""Put the folders of the user's code on `sys.path` without letting its files replace what this package imports.

A file `requests.py` or `queue.py` next to the model would take the place of the module that this package means. Modules
that this package may still import in a process with user code are therefore imported before the user's folder is on the
path. All other names belong to the user: with a `redis.py` next to the model, `import redis` in the model imports that
file.
"""

import importlib
import importlib.machinery
import logging
import os
import sys
from collections.abc import Iterable, Sequence

from label_studio_ml.import_paths import late_jsf, tools_alias

logger = logging.getLogger(__name__)

#: Installed packages that this package, or its dependencies, import in a process with user code.
NEEDED = frozenset(
    (
        *("msgspec", "requests", "urllib3", "idna", "certifi", "charset_normalizer", "typing_extensions"),
        *("label_studio_sdk", "fsspec", "s3fs", "gcsfs", "adlfs", "flask", "werkzeug"),
    )
)
#: Modules that this package imports late. They are imported early if a file of the user has the name of a standard or
#: needed module. Their dependencies are imported with them.
_IMPORTED_LATE = (
    *("sqlite3", "queue", "concurrent.futures.thread", "concurrent.futures.process", "multiprocessing.pool"),
    *("multiprocessing.spawn", "asyncio", "requests", "label_studio_sdk.label_interface", "flask"),
)

_user_entries: list[str] = []
_own_process = False


def set_aside(entries: Iterable[str]) -> None:
    """Remember the user's entries of `sys.path` (PYTHONPATH) for `enter`, which puts them in front again.

    Called in a process that this package started for user code only.
    """
    global _own_process
    _user_entries[:] = entries
    _own_process = True


def is_own_process() -> bool:
    """Tell whether this package started the process, for user code only."""
    return _own_process


def enter(folders: Sequence[str], at_end: Sequence[str] = ()) -> None:
    """Put `folders`, then PYTHONPATH's folders, first on `sys.path`, and the missing ones of `at_end` at its end.

    Also makes `label_studio_tools` importable, see `tools_alias`, and the import of the SDK faster, see `late_jsf`.
    """
    tools_alias.install()
    late_jsf.install()
    user_folders = list(dict.fromkeys([*folders, *_user_entries]))
    for folder in user_folders:
        _preload_needed(folder, [entry for entry in sys.path if entry not in user_folders])
        if _own_process:
            _unload_replaced(folder)
    importlib.invalidate_caches()
    remaining = [entry for entry in sys.path if entry not in user_folders]
    sys.path[:] = [
        *user_folders,
        *remaining,
        *(entry for entry in dict.fromkeys(at_end) if entry not in (*user_folders, *remaining)),
    ]


def _preload_needed(folder: str, installed: Sequence[str]) -> None:
    """Import from `installed` the modules that this package needs if `folder` has a module of a needed name."""
    shared = {name for name in _names(folder) if name in NEEDED or name in sys.stdlib_module_names}
    if not shared:
        return
    for module in (*_IMPORTED_LATE, *sorted(shared & NEEDED)):
        if _is_found(module.partition(".")[0], installed):  # otherwise only user folders may have it
            _import_from(module, installed)
    for name in sorted(shared & sys.modules.keys()):
        if not _lies_in(name, folder):
            logger.warning(
                "%s in %s has the name of a module that label-studio-ml uses, so `import %s` does not import it: "
                "give the file another name",
                name,
                folder,
                name,
            )


def _unload_replaced(folder: str) -> None:
    """Remove imported modules that this package no longer needs if `folder` has modules of the same names."""
    for name in _names(folder) & sys.modules.keys():
        is_protected = (
            name in NEEDED or name in sys.stdlib_module_names or name in ("label_studio_ml", "__main__")
        )
        if not is_protected and not _lies_in(name, folder):
            for module in [key for key in sys.modules if key == name or key.startswith(f"{name}.")]:
                del sys.modules[module]


def _names(folder: str) -> set[str]:
    """Return the names of the modules and packages in `folder`."""
    names = set()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                stem, dot, ending = entry.name.partition(".")
                if ending == "py" or (not dot and os.path.isfile(os.path.join(entry.path, "__init__.py"))):
                    names.add(stem)
    except OSError:
        pass  # an entry of sys.path need not exist
    return names


def _lies_in(name: str, folder: str) -> bool:
    """Tell whether the imported module `name` was loaded from `folder`."""
    file = getattr(sys.modules.get(name), "__file__", None) or ""
    return os.path.realpath(file).startswith(os.path.join(os.path.realpath(folder), ""))


def _is_found(name: str, path: Sequence[str]) -> bool:
    return importlib.machinery.PathFinder.find_spec(name, path) is not None


def _import_from(name: str, path: Sequence[str]) -> None:
    """Import `name` with `path` as `sys.path`; log a failure."""
    previous_path = sys.path[:]
    sys.path[:] = path
    try:
        importlib.import_module(name)
    except Exception as error:  # noqa: BLE001 (an installed package may raise anything)
        logger.warning("The installed module %s cannot be imported: %s", name, error)
    finally:
        sys.path[:] = previous_path
