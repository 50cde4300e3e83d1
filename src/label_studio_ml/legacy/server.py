"""The functions of the command line in older releases; the implementation is `label_studio_ml.cli`."""

import argparse
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from label_studio_ml.cli.main import main, parse
from label_studio_ml.errors import Unsupported

__all__ = ["create_dir", "deploy_to_gcp", "get_args", "main", "special_match", "start_server"]


def get_args() -> tuple[argparse.Namespace, list[str]]:
    """Return the parsed arguments of this process, and those that no option accepts."""
    return parse(sys.argv[1:])


def create_dir(args: Any) -> Path:
    """Create a backend's folder as `label-studio-ml init` does, and return its path.

    `args` has `project_name` and optionally `root_dir`, `script` and `force`. Raises BackendError.
    """
    from label_studio_ml.cli.create.init import run

    defaults, _ = parse(["init", str(args.project_name)])
    arguments = {**vars(defaults), **vars(args)}
    run(argparse.Namespace(**arguments))
    return Path(arguments["root_dir"], arguments["project_name"])


def start_server(args: Any, subprocess_params: Sequence[str] = ()) -> int:
    """Serve a backend's folder as `label-studio-ml start` does; return the exit code.

    `args` has `project_name` and optionally `root_dir`; `subprocess_params` are further command-line arguments.
    """
    arguments = {"root_dir": ".", **vars(args)}
    words = ["start", arguments["project_name"], "--root-dir", arguments["root_dir"], *subprocess_params]
    if "port" in arguments and not subprocess_params:
        from label_studio_ml.cli.run.start import run

        return run(argparse.Namespace(**arguments))
    return main(words)


def deploy_to_gcp(args: Any) -> NoReturn:
    """Raise Unsupported, with the command that deploys the folder of `args.project_name` to Google Cloud Run.

    The command has placeholders: a service there loses its versions with each restart unless they are in a bucket, and
    its queue unless it is in an external Redis, and only the user can name these.
    """
    arguments = {"root_dir": ".", "gcp_region": None, "gcp_project": None, **vars(args)}
    name = str(arguments["project_name"])
    words = ["gcloud", "run", "deploy", name.replace("_", "-").lower(), "--no-cpu-throttling"]
    words += [
        "--source",
        str(Path(arguments["root_dir"], name)),
        "--region",
        arguments["gcp_region"] or "us-central1",
    ]
    words += ["--project", arguments["gcp_project"]] if arguments["gcp_project"] else []
    words += ["--set-env-vars", "MODEL_DIR=gs://BUCKET/models,REDIS_URL=rediss://HOST:6379/0"]
    raise Unsupported(
        "This release does not deploy to Google Cloud: the service needs a bucket for its versions and a Redis",
        fix=f"With both, run: {shlex.join(words)}",
    )


def special_match(strg: str, search: Any = re.compile(r"[^a-z-]").search) -> bool:
    """Tell whether a text has characters other than lower-case ASCII letters and hyphens."""
    return bool(search(strg))
