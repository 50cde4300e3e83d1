"""Start one module of this package in a new interpreter: `python -P bootstrap.py [--files=N] MODULE [ARGUMENT …]`.

The file is run by its absolute path, so that neither the working folder (which may hold a clone of another release)
nor PYTHONPATH decides which `label_studio_ml` is imported. The user's `sys.path` entries are put behind the installed
packages until the user's code is loaded (`user_path`): this package must not import a user's `redis.py` as `redis`.

In a process that multiprocessing spawns from such a process, this file runs as `__mp_main__`; it then only ensures that
`label_studio_ml` is this package.
"""

import os
import sys


def _take_user_entries() -> list[str]:
    """Move the `sys.path` entries before the standard library (with `-P`: PYTHONPATH) to the end, and return them."""
    standard = os.path.dirname(os.__file__)
    if standard not in sys.path:
        return []
    index = sys.path.index(standard)
    if index and sys.path[index - 1].endswith(".zip") and os.path.dirname(standard) in sys.path[index - 1]:
        index -= 1
    user_entries = sys.path[:index]
    sys.path[:] = [*sys.path[index:], *user_entries]
    return user_entries


def _pin_package() -> None:
    """Import `label_studio_ml` from the folder of this file, regardless of `sys.path`."""
    import importlib.util

    if "label_studio_ml" in sys.modules:
        return
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    spec = importlib.util.spec_from_file_location(
        "label_studio_ml", os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder} is not a Python package")
    package = importlib.util.module_from_spec(spec)
    sys.modules["label_studio_ml"] = package
    spec.loader.exec_module(package)


def _limit_files() -> None:
    """Set this process's soft limit of open files to NUMBER if the first argument is `--files=NUMBER`."""
    if not sys.argv[1].startswith("--files="):
        return
    import resource

    number = int(sys.argv.pop(1).removeprefix("--files="))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))


def _run(user_entries: list[str]) -> int:
    """Call the `main` of the module named by the first argument, with the others in `sys.argv`; return its status.

    The first argument `--probe` imports what every process needs instead, to check the interpreter.
    """
    import importlib

    user_path = importlib.import_module("label_studio_ml.import_paths.user_path")
    user_path.set_aside(user_entries)
    if sys.argv[1] == "--probe":
        for name in ("msgspec", "redis", "label_studio_ml.config.settings"):
            importlib.import_module(name)
        return 0
    module = importlib.import_module(sys.argv[1])
    sys.argv[:] = [str(module.__file__), *sys.argv[2:]]
    return int(module.main() or 0)


if __name__ == "__main__":
    entries = _take_user_entries()
    _limit_files()
    _pin_package()
    sys.exit(_run(entries))
elif __name__ == "__mp_main__":
    _pin_package()
