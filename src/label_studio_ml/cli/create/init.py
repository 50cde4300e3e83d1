"""`label-studio-ml init DIR` (alias `create`): create a backend's folder from a model file or the gallery."""

import argparse
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from label_studio_ml.cli.create.gallery_options import add_gallery_arguments, is_wanted
from label_studio_ml.cli.create.scaffold import Backend, install_commands, make
from label_studio_ml.cli.shared.backend_arguments import add_folder_arguments, folder_of, split_script
from label_studio_ml.cli.streams import say
from label_studio_ml.errors import ModelFileError, SettingsError
from label_studio_ml.support.texts import our_command, shell_command
from label_studio_ml.user_code.import_scan import MissingModule, missing_modules
from label_studio_ml.user_code.model_source import ModelSource, locate

if TYPE_CHECKING:
    from label_studio_ml.cli.create.gallery_choice import Choice


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `init`."""
    add_folder_arguments(parser, "the folder to create", optional=True)
    parser.add_argument(
        "--script",
        "--from",
        metavar="FILE[:CLASS]",
        help="the model (default: ./model.py if there is one, else a text or image classifier that learns)",
    )
    parser.add_argument(
        "--force", action="store_true", help="overwrite what init writes in an existing folder"
    )
    add_gallery_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Create the folder, print the next steps, and return 0. Raises BackendError when it cannot be created."""
    if args.list:
        from label_studio_ml.cli.create.gallery_choice import print_fits

        is_wanted(args)
        print_fits(args)
        return 0
    if args.project_name is None:
        raise SettingsError("DIR is missing", fix="Give the folder to create", field="DIR")
    target = folder_of(args)
    choice = None
    if is_wanted(args):
        from label_studio_ml.cli.create.gallery_choice import choose

        choice = choose(args)
        _check_python(choice, install=args.install)
    if args.install and find_spec("pip") is None:
        raise SettingsError(
            f"{sys.executable} has no pip",
            fix=f"Run: {shell_command(sys.executable, '-m', 'ensurepip')}, or leave --install out",
            field="--install",
        )
    backend = _backend(args, target, choice)
    notes = make(backend, target, force=args.force)
    source = locate(target)
    say(f"Created {target} with {source.class_name} from {_origin(backend, choice)}.")
    for note in notes:
        say(f"label-studio-ml: {note}", file=sys.stderr)
    if args.install:
        _install(target)
    missing = missing_modules(source.script)
    if missing:
        say(f"label-studio-ml: {_missing(missing, target)}", file=sys.stderr)
    say(f"Start it with: {our_command('start', target)}")
    if args.project is not None:
        url = ("--url", args.url) if args.url else ()
        interactive = ("--interactive",) if choice is not None and choice.model.interactive else ()
        connect = our_command("connect", target, *url, "--project", args.project, *interactive)
        say(f"Connect it with: {connect}")
    for sentence in choice.advice if choice is not None else ():
        say(sentence)
    return 0


def _check_python(choice: "Choice", *, install: bool) -> None:
    """Say that the model's packages are for older versions of Python than this one.

    Raises SettingsError if they shall be installed here.
    """
    newest = choice.model.newest_python
    if newest is None or sys.version_info[:2] <= newest:
        return
    fault = f"The packages of {choice.model.name} are for Python {newest[0]}.{newest[1]} at most, and this is Python "
    fault += f"{sys.version_info[0]}.{sys.version_info[1]}"
    fix = "Give the backend an environment with an older Python"
    if install:
        raise SettingsError(fault, fix=f"{fix}, or leave --install out", field="--install")
    say(f"label-studio-ml: {fault}. {fix}", file=sys.stderr)


def _backend(args: argparse.Namespace, target: Path, choice: "Choice | None") -> Backend:
    """Return the backend to create: with the gallery's model, or with the user's or the template's."""
    name = target.resolve().name
    if choice is None:
        return Backend(name, _source(args.script, target, force=args.force))
    from label_studio_ml.cli.create.example_readme import model_section

    return Backend(
        name,
        locate(choice.model.folder),
        label_config=choice.label_config,
        notes=model_section(choice.model),
        learns=choice.model.trains,
    )


def _origin(backend: Backend, choice: "Choice | None") -> str:
    """Return where the model comes from, for a message."""
    if choice is not None:
        return f"the gallery's {choice.model.name}"
    return str(backend.source.script) if backend.source else "a new model that learns from your annotations"


def _install(target: Path) -> None:
    """Install what the new backend needs with this interpreter's pip. Raises SettingsError when pip fails."""
    commands = install_commands(target, prefix=target)
    for number, command in enumerate(commands):
        say(f"Running: {shell_command(*command)}", flush=True)
        try:
            subprocess.run([sys.executable, "-m", *command], check=True)
        except subprocess.CalledProcessError as error:
            raise SettingsError(
                f"{target} is made, but what it needs could not be installed: pip ended with status "
                f"{error.returncode}",
                fix="Correct what pip reports above, then run: "
                + " && ".join(shell_command(*left) for left in commands[number:]),
                field="--install",
            ) from error


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
    commands = [shell_command(*command) for command in install_commands(target, prefix=target)]
    if len(commands) > 1:  # some of them are installed without their dependencies
        return f"not installed here: {modules}. Before you start the backend, run: {' && '.join(commands)}"
    install = shell_command("pip", "install", *dict.fromkeys(item.distribution for item in missing))
    return f"not installed here: {modules}. Before you start the backend, run: {install} (or: {commands[0]})"
