"""Build the command line that runs a module of this package in a new Python interpreter.

`sys.executable` is not always an interpreter: below uWSGI it is `uwsgi`, below Apache it may be another Python than the
running one. Such candidates are tested before use.
"""

import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BackendError
from label_studio_ml.processes import open_file_limit

BOOTSTRAP = Path(__file__).resolve().with_name("bootstrap.py")

_PYTHON_NAME = re.compile(r"(python|pypy|graalpy)[\d.]*[a-z]?(\.exe)?", re.IGNORECASE)
#: Seconds that an interpreter may take to import this package.
_PROBE_TIMEOUT = 60.0


class InterpreterError(BackendError):
    """No Python interpreter that can import this package was found."""

    code = "LSML-E210"


def command(settings: Settings, module: str, *arguments: object) -> list[str]:
    """Return the command line that runs the `main` of `module`, a dotted name, with `arguments`.

    Raises InterpreterError if no interpreter can import this package.
    """
    bootstrap = (str(BOOTSTRAP), *open_file_limit.options())
    return [interpreter(settings.python), "-P", *bootstrap, module, *map(str, arguments)]


@functools.lru_cache(maxsize=8)
def interpreter(configured: str = "") -> str:
    """Return the path of a Python interpreter that can import this package: `configured` if given, else this process's.

    Raises InterpreterError, listing the tested candidates, if there is none.
    """
    if configured:
        path = shutil.which(configured)
        if path is None or not _works(path):
            raise InterpreterError(
                f"LABEL_STUDIO_ML_PYTHON={configured} is no Python interpreter that can import label_studio_ml",
                fix=f"Name one of Python 3.11 or newer where {Path(__file__).parents[1]} and its dependencies work",
                field="LABEL_STUDIO_ML_PYTHON",
            )
        return path
    if _runs_here(sys.executable):
        return sys.executable
    candidates = list(dict.fromkeys(_candidates()))
    for path in candidates:
        if _works(path):
            return path
    raise InterpreterError(
        f"No Python interpreter can be found to start processes with: sys.executable is {sys.executable!r}, "
        f"and none of these can import label_studio_ml: {', '.join(candidates) or 'no file was found'}",
        fix="Set LABEL_STUDIO_ML_PYTHON to the python of the environment that label-studio-ml is installed in",
        field="LABEL_STUDIO_ML_PYTHON",
    )


def _runs_here(path: str) -> bool:
    """Tell whether `path` is the executable of this process, according to /proc."""
    try:
        return _is_named_python(path) and os.path.samefile(path, "/proc/self/exe")
    except OSError:  # no /proc, or no such file
        return False


def _candidates() -> Iterator[str]:
    """Yield executable files that may be the interpreter of this process's environment, the likeliest first."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    names = (f"python{version}", "python3", "python")
    paths = [
        sys.executable,
        *(
            os.path.join(prefix, folder, name)
            for prefix in (sys.prefix, sys.exec_prefix)
            for folder in ("bin", "Scripts", "")
            for name in (*names, "python.exe")
        ),
        getattr(sys, "_base_executable", None) or "",
        *(shutil.which(name) or "" for name in names),
    ]
    for path in paths:
        if path and _is_named_python(path) and os.path.isfile(path) and os.access(path, os.X_OK):
            yield path


def _is_named_python(path: str | None) -> bool:
    """Tell whether a file has the name of a Python interpreter; other files must not be run for a test."""
    return bool(path) and _PYTHON_NAME.fullmatch(os.path.basename(path or "")) is not None


def _works(path: str) -> bool:
    """Tell whether the interpreter `path` can import this package and its dependencies."""
    try:
        result = subprocess.run(
            [path, "-P", str(BOOTSTRAP), "--probe"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=_PROBE_TIMEOUT,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return result.returncode == 0
