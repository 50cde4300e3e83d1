"""`label-studio-ml promote`, `rollback`, `unpin`, `delete`, `export`: manual operations on versions.

The backend need not run; a running one notices the decision within a second.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

from label_studio_ml.cli.shared import store_arguments
from label_studio_ml.cli.shared.store_arguments import StoredProject
from label_studio_ml.cli.streams import say
from label_studio_ml.cli.versions.code_comparison import code_here, code_warning
from label_studio_ml.versions import operations
from label_studio_ml.versions.archive import export

#: How long a version is served that is not pinned; the end of a sentence.
UNTIL_REPLACED = "until a newer version replaces it"


def add_arguments(parser: argparse.ArgumentParser, command: str) -> None:
    """Add the options of `command`, one of this module's commands."""
    store_arguments.add_arguments(parser)
    if command in ("promote", "export"):
        parser.add_argument("version", metavar="VERSION", help="its name or id, or the beginning of either")
    if command == "delete":
        parser.add_argument("versions", metavar="VERSION", nargs="+", help="names or ids")
    if command == "promote":
        parser.add_argument(
            "--pin", action="store_true", help="serve it also when newer versions are trained"
        )
    if command == "export":
        parser.add_argument("--output", required=True, metavar="FILE.tar.gz", help="the file to write")


def run(args: argparse.Namespace) -> int:
    """Run the command `args.command`, print the result, and return 0. Raises BackendError when it fails."""
    steps: dict[str, Callable[[argparse.Namespace, StoredProject], str]] = {
        "promote": _promote,
        "rollback": _rollback,
        "unpin": _unpin,
        "delete": _delete,
        "export": _export,
    }
    say(steps[args.command](args, store_arguments.find(args)))
    return 0


def _promote(args: argparse.Namespace, project: StoredProject) -> str:
    version = operations.promote(project.store, project.model_dir, project.uid, args.version, pinned=args.pin)
    duration = "until it is unpinned" if args.pin else UNTIL_REPLACED
    note = code_warning(version, code_here(args))
    return f"Project {project.number} is served version {version.name}, {duration}{note}"


def _rollback(args: argparse.Namespace, project: StoredProject) -> str:
    present, target = operations.rollback(project.store, project.model_dir, project.uid)
    return (
        f"Project {project.number} is served version {target.name} instead of {present.name}, "
        f"{UNTIL_REPLACED}{code_warning(target, code_here(args))}"
    )


def _unpin(args: argparse.Namespace, project: StoredProject) -> str:
    served = operations.unpin(project.store, project.model_dir, project.uid)
    name = f"version {served.name}" if served is not None else "the untrained model"
    return f"Project {project.number} is served {name}, {UNTIL_REPLACED}"


def _delete(args: argparse.Namespace, project: StoredProject) -> str:
    deleted = operations.delete(project.store, project.uid, args.versions)
    return f"Deleted {', '.join(deleted)}"


def _export(args: argparse.Namespace, project: StoredProject) -> str:
    version = operations.find(project.store, project.uid, args.version)
    return f"Version {version.name} is in {export(project.store, version, Path(args.output))}"
