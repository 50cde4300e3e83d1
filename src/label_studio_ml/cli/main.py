"""Entry point of `label-studio-ml COMMAND …`: the list of subcommands, argument parsing, exit codes.

Only the module of the called command is imported, so that help and usage errors are printed at once.
"""

import argparse
import errno
import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from label_studio_ml import __version__
from label_studio_ml.cli.streams import discard_output, nobody_reads, prepare_streams, say
from label_studio_ml.errors import BackendError


@dataclass(frozen=True, slots=True)
class Command:
    """A subcommand: its `module` has `add_arguments(parser)` and `run(args) -> exit code`.

    With `family`, the module has several subcommands: its `add_arguments` also takes the command's name, which `run`
    finds in `args.command`.
    """

    name: str
    help: str
    module: str
    aliases: tuple[str, ...] = ()
    family: bool = False


#: Modules of Python's library that Windows does not have.
_UNIX_MODULES = frozenset({"fcntl", "grp", "pwd", "resource", "termios"})

#: Errors of the operating system that are reported in one line, without a traceback: they are not bugs.
_REFUSALS = frozenset({errno.EACCES, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EROFS})

#: Every subcommand, in the order of the help text.
COMMANDS = (
    Command(
        "init", "make a backend's folder from a model file", "label_studio_ml.cli.create.init", ("create",)
    ),
    Command("start", "serve a backend's folder to Label Studio", "label_studio_ml.cli.run.start"),
    Command(
        "serve",
        "serve a backend's folder; workers elsewhere train (needs Redis)",
        "label_studio_ml.cli.run.serve",
    ),
    Command("worker", "train for servers elsewhere (needs Redis)", "label_studio_ml.cli.run.worker"),
    Command("train", "train a backend's model now", "label_studio_ml.cli.train.train"),
    Command("jobs", "list training jobs, follow one", "label_studio_ml.cli.train.jobs"),
    Command("cancel", "end a training job", "label_studio_ml.cli.train.cancel"),
    Command("evaluate", "measure a version against annotations", "label_studio_ml.cli.versions.evaluate"),
    Command("connect", "connect a backend with a Label Studio project", "label_studio_ml.cli.studio.connect"),
    Command("predict", "predict all tasks of a project, or of a file", "label_studio_ml.cli.studio.predict"),
    Command("versions", "list a project's model versions", "label_studio_ml.cli.versions.list_versions"),
    Command("promote", "serve a version", "label_studio_ml.cli.versions.version_steps", family=True),
    Command(
        "rollback", "serve the version before", "label_studio_ml.cli.versions.version_steps", family=True
    ),
    Command(
        "unpin",
        "let newer versions be served again",
        "label_studio_ml.cli.versions.version_steps",
        family=True,
    ),
    Command("delete", "delete versions", "label_studio_ml.cli.versions.version_steps", family=True),
    Command("export", "write a version to a file", "label_studio_ml.cli.versions.version_steps", family=True),
    Command(
        "import", "add a version from a file", "label_studio_ml.cli.versions.version_transfers", family=True
    ),
    Command(
        "push", "copy versions into a store", "label_studio_ml.cli.versions.version_transfers", family=True
    ),
    Command(
        "pull", "copy versions from a store", "label_studio_ml.cli.versions.version_transfers", family=True
    ),
    Command(
        "projects", "list the projects a backend knows, forget some", "label_studio_ml.cli.studio.projects"
    ),
    Command("tokens", "add, list or revoke tokens for calling a backend", "label_studio_ml.cli.tokens"),
    Command("rank", "order a project's tasks by what a label would teach", "label_studio_ml.cli.studio.rank"),
    Command("agent", "work for a Label Studio that cannot reach here", "label_studio_ml.cli.run.agent"),
    Command("doctor", "find what is wrong with a backend's connection", "label_studio_ml.cli.studio.doctor"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0: done. 1: failed, with one line on standard error that says why. 2: wrong command line. 130: Ctrl-C. 141: the
    reader of the output, such as `head`, closed it. `argv` None stands for the arguments of this process.
    """
    argv = sys.argv[1:] if argv is None else argv
    prepare_streams()
    try:
        code = _run(argv)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        if not nobody_reads():
            raise
        return 141
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        say(f"label-studio-ml: {_failure(error)}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        if error.name not in _UNIX_MODULES:
            raise
        command = next((word for word in argv if not word.startswith("-")), "")
        say(f"label-studio-ml: {command} does not run on Windows: use WSL or a container", file=sys.stderr)
        return 1


def _failure(error: OSError) -> str:
    """Return the message for an error of the operating system.

    If standard output cannot be written either (a full disk), the rest of it is discarded.
    """
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        discard_output()
    return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)


def _run(argv: Sequence[str]) -> int:
    """Run one command and return its exit code, without `main`'s handling of errors of the operating system."""
    try:
        args, unknown = parse(argv)
        if unknown:
            args.parser.error(_unknown(unknown, args.parser))
    except SystemExit as done:  # argparse has printed the help or the error
        return done.code if isinstance(done.code, int) else 2
    except KeyboardInterrupt:
        return 130
    try:
        run: Callable[[argparse.Namespace], int] = args.run
        return run(args)
    except BackendError as error:
        say(f"label-studio-ml: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def parse(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Parse the command line; return the namespace and the unknown arguments. Raises SystemExit as argparse does.

    Besides the options, the namespace has `command`, its function `run` and its `parser`.
    """
    parser = argparse.ArgumentParser(
        prog="label-studio-ml",
        description="Serve a Python class with predict and fit as a Label Studio ML backend.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    called = next((word for word in argv if not word.startswith("-")), "")
    by_name = {name: command for command in COMMANDS for name in (command.name, *command.aliases)}
    for command in COMMANDS:
        subparser = subparsers.add_parser(
            command.name,
            aliases=command.aliases,
            help=command.help,
            description=f"{command.help[0].upper()}{command.help[1:]}.",
            allow_abbrev=False,
        )
        if by_name.get(called) is command:
            module = importlib.import_module(command.module)
            module.add_arguments(subparser, *([command.name] if command.family else []))
            subparser.set_defaults(run=module.run, parser=subparser, command=command.name)
    if called and called not in by_name:
        parser.error(f"there is no command {called!r}{_suggestion(called, by_name)}")
    return parser.parse_known_args(argv)


def _unknown(words: Sequence[str], parser: argparse.ArgumentParser) -> str:
    """Return the error message for unknown arguments, with the most similar options."""
    options = [option for action in parser._actions for option in action.option_strings]
    return "unknown arguments: " + ", ".join(
        f"{word}{_suggestion(word.partition('=')[0], options)}" for word in words
    )


def _suggestion(word: str, known: Sequence[str] | dict[str, Command]) -> str:
    close = get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
