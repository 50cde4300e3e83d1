"""The import path of the command line in older releases; `label_studio_ml.cli` is what does the work."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from label_studio_ml.cli.main import main, parse

__all__ = ["create_dir", "get_args", "main", "start_server"]


def get_args() -> tuple[argparse.Namespace, list[str]]:
    """Return the process's own arguments, parsed, and those that no option takes."""
    return parse(sys.argv[1:])


def create_dir(args: Any) -> Path:
    """Make a backend's folder and return it, as `label-studio-ml init` does.

    `args` has `project_name`, and may have `root_dir`, `script` and `force`. Raises BackendError.
    """
    from label_studio_ml.cli.init import run

    given = {"root_dir": ".", "script": None, "force": False, **vars(args)}
    run(argparse.Namespace(**given))
    return Path(given["root_dir"], given["project_name"])


def start_server(args: Any, subprocess_params: Sequence[str] = ()) -> int:
    """Serve a backend's folder, as `label-studio-ml start` does, and return the exit code.

    `args` has `project_name`, and may have `root_dir`; `subprocess_params` are further command-line words.
    """
    given = {"root_dir": ".", **vars(args)}
    words = ["start", given["project_name"], "--root-dir", given["root_dir"], *subprocess_params]
    if "port" in given and not subprocess_params:
        from label_studio_ml.cli.start import run

        return run(argparse.Namespace(**given))
    return main(words)
