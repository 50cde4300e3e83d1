"""`label-studio-ml init DIR` (alias `create`): create a backend's folder from a model file."""

import argparse
import sys
from pathlib import Path

from label_studio_ml.cli.create.scaffold import Backend, make
from label_studio_ml.cli.shared.backend_arguments import add_folder_arguments, folder_of, split_script
from label_studio_ml.cli.streams import say
from label_studio_ml.errors import ModelFileError
from label_studio_ml.support.texts import our_command, shell_command
from label_studio_ml.user_code.import_scan import MissingModule, missing_modules
from label_studio_ml.user_code.model_source import ModelSource, locate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `init`."""
    add_folder_arguments(parser, "the folder to create")
    parser.add_argument(
        "--script",
        "--from",
        metavar="FILE[:CLASS]",
        help="the model (default: ./model.py if there is one, else a text or image classifier that learns)",
    )
    parser.add_argument(
        "--force", action="store_true", help="overwrite what init writes in an existing folder"
    )


def run(args: argparse.Namespace) -> int:
    """Create the folder, print the next steps, and return 0. Raises BackendError when it cannot be created."""
    target = folder_of(args)
    backend = Backend(target.resolve().name, _source(args.script, target, force=args.force))
    notes = make(backend, target, force=args.force)
    source = locate(target)
    origin = backend.source.script if backend.source else "a new model that learns from your annotations"
    say(f"Created {target} with {source.class_name} from {origin}.")
    for note in notes:
        say(f"label-studio-ml: {note}", file=sys.stderr)
    missing = missing_modules(source.script)
    if missing:
        say(f"label-studio-ml: {_missing(missing, target)}", file=sys.stderr)
    say(f"Start it with: {our_command('start', target)}")
    return 0


def _source(script: str | None, target: Path, *, force: bool) -> ModelSource | None:
    """Return the model to copy: `script`, else `./model.py`, else with `force` that of the folder `target`.

    None stands for the template's model. Raises ModelFileError when `script` or `./model.py` has no model class.
    """
    if script:
        path, class_name = split_script(script)
        if path.is_dir():
            return locate(path, class_name=class_name)
        return locate(Path.cwd(), path, class_name)
    if Path("model.py").is_file():
        return locate(Path.cwd(), Path("model.py"))
    if force and target.is_dir():
        try:
            return locate(target)
        except ModelFileError:
            return None
    return None


def _missing(missing: list[MissingModule], target: Path) -> str:
    """Return a sentence with the modules that are not installed here and the commands that install them."""
    modules = ", ".join(f"{item.module} ({item.file.name}, line {item.line})" for item in missing)
    install = shell_command("pip", "install", *dict.fromkeys(item.distribution for item in missing))
    install_all = shell_command("pip", "install", "-r", target / "requirements.txt")
    return f"not installed here: {modules}. Before you start the backend, run: {install} (or: {install_all})"
