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
from types import ModuleType

from label_studio_ml import __version__
from label_studio_ml.cli.end_signals import orderly_end
from label_studio_ml.cli.examples import epilog
from label_studio_ml.cli.streams import discard_output, nobody_reads, prepare_streams, say, say_error
from label_studio_ml.errors import BackendError


@dataclass(frozen=True, slots=True)
class Command:
    """A subcommand. Its `module` in `label_studio_ml.cli` has `add_arguments(parser)` and `run(args) -> exit code`.

    `help` is a phrase for the list of commands; with a capital and a full stop, it is the command's description. With
    `family`, the module has several subcommands: its `add_arguments` also takes the command's name, which `run` finds
    in `args.command`. With `takes_text`, its arguments are words of a text, and none but a help option is an option.
    """

    name: str
    help: str
    module: str
    aliases: tuple[str, ...] = ()
    family: bool = False
    takes_text: bool = False


#: Modules of Python's library that Windows does not have.
_UNIX_MODULES = frozenset({"fcntl", "grp", "pwd", "resource", "termios"})

#: Errors of the operating system that are reported in one line, without a traceback: they are not bugs.
_REFUSALS = frozenset({errno.EACCES, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EROFS})

#: Every subcommand, below the headings and in the order of the help text.
GROUPS: dict[str, tuple[Command, ...]] = {
    "make a backend": (
        Command(
            "init", "make a backend's folder from a model file or the gallery", "create.init", ("create",)
        ),
        Command("examples", "list the gallery's ready models", "create.gallery_list"),
        Command("test", "check a model class without Label Studio", "run.class_checks"),
    ),
    "run it": (
        Command("start", "serve a backend's folder to Label Studio", "run.start"),
        Command("serve", "serve a backend's folder; workers elsewhere train (needs Redis)", "run.serve"),
        Command("worker", "train for servers elsewhere (needs Redis)", "run.worker"),
        Command("open", "open the dashboard of a running backend in the browser", "run.open_dashboard"),
        Command("agent", "work for a Label Studio that cannot reach here", "run.agent"),
        Command("tokens", "add, list or revoke tokens for calling a backend", "tokens"),
    ),
    "use it in Label Studio": (
        Command("connect", "connect a backend with a Label Studio project", "studio.connect"),
        Command("predict", "predict all tasks of a project, or of a file", "studio.predict"),
        Command("rank", "order a project's tasks by what a label would teach", "studio.rank"),
        Command("value", "measure whether predictions help a project's annotators", "studio.value"),
    ),
    "train": (
        Command("train", "train a backend's model now", "train.train"),
        Command("jobs", "list training jobs, follow one", "train.jobs"),
        Command("cancel", "end a training job", "train.cancel"),
    ),
    "choose and move model versions": (
        Command("versions", "list a project's model versions", "versions.list_versions"),
        Command("evaluate", "measure a version against annotations", "versions.evaluate"),
        Command("promote", "serve a version", "versions.version_steps", family=True),
        Command("rollback", "serve the version before", "versions.version_steps", family=True),
        Command("unpin", "let newer versions be served again", "versions.version_steps", family=True),
        Command("delete", "delete versions", "versions.version_steps", family=True),
        Command("export", "write a version to a file", "versions.version_steps", family=True),
        Command("import", "add a version from a file", "versions.version_transfers", family=True),
        Command("push", "copy versions into a store", "versions.version_transfers", family=True),
        Command("pull", "copy versions from a store", "versions.version_transfers", family=True),
    ),
    "inspect it": (
        Command("doctor", "find what is wrong with a backend's connection", "studio.doctor"),
        Command("explain", "say what an error means and what to do about it", "explain", takes_text=True),
        Command("projects", "list the projects a backend knows, forget some", "studio.projects"),
        Command("conformance", "call any ML backend as Label Studio does", "studio.conformance"),
        Command("openapi", "print the OpenAPI document of a backend's calls", "openapi"),
    ),
}
COMMANDS = tuple(command for commands in GROUPS.values() for command in commands)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0: done. 1: failed, with one line on standard error that says why. 2: wrong command line. 130: Ctrl-C. 141: the
    reader of the output, such as `head`, closed it. SIGTERM and SIGHUP raise SystemExit. `argv` None stands for the
    arguments of this process.
    """
    argv = sys.argv[1:] if argv is None else argv
    prepare_streams()
    try:
        with orderly_end():
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
        say_error(error)
        return 1
    except KeyboardInterrupt:
        return 130


def parse(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Parse the command line; return the namespace and the unknown arguments. Raises SystemExit as argparse does.

    Besides the options, the namespace has `command`, its function `run` and its `parser`.
    """
    parser = argparse.ArgumentParser(
        prog="label-studio-ml",
        usage="label-studio-ml [-h] [--version] COMMAND ...",
        description="Serve a Python class with predict and fit as a Label Studio ML backend.",
        epilog=_command_list(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    # argparse lists the commands without headings: its list is left out in favour of the epilog.
    subparsers = parser.add_subparsers(
        prog="label-studio-ml", metavar="COMMAND", required=True, help=argparse.SUPPRESS
    )
    called = next((word for word in argv if not word.startswith("-")), "")
    by_name = {name: command for command in COMMANDS for name in (command.name, *command.aliases)}
    for command in COMMANDS:
        subparser = subparsers.add_parser(
            command.name,
            aliases=command.aliases,
            description=f"{command.help[0].upper()}{command.help[1:]}.",
            epilog=epilog(command.name),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if by_name.get(called) is command:
            module = add_arguments(command, subparser)
            subparser.set_defaults(run=module.run, parser=subparser, command=command.name)
    if called and called not in by_name:
        parser.error(f"there is no command {called!r}{_suggestion(called, by_name)}")
    if called and by_name[called].takes_text:
        argv = _as_text(argv, called)
    return parser.parse_known_args(argv)


def _as_text(argv: Sequence[str], called: str) -> list[str]:
    """Return the arguments with a `--` before the words of the command, unless these are a help option alone."""
    split = list(argv).index(called) + 1
    words = list(argv[split:])
    return [*argv[:split], *([] if words in (["-h"], ["--help"]) else ["--"]), *words]


def add_arguments(command: Command, parser: argparse.ArgumentParser) -> ModuleType:
    """Add a subcommand's arguments to its parser, and return its module."""
    module = importlib.import_module(f"label_studio_ml.cli.{command.module}")
    module.add_arguments(parser, *([command.name] if command.family else []))
    return module


def _command_list() -> str:
    """Return the list of all commands below their headings, for the help text."""
    lines = []
    for heading, commands in GROUPS.items():
        lines += ["", f"{heading}:"]
        lines += [
            f"  {', '.join((command.name, *command.aliases)):<14}{command.help}" for command in commands
        ]
    more = "label-studio-ml COMMAND --help shows its options. DIR is a backend's folder."
    return "\n".join([*lines[1:], "", more])


def _unknown(words: Sequence[str], parser: argparse.ArgumentParser) -> str:
    """Return the error message for unknown arguments, with the most similar options."""
    options = [option for action in parser._actions for option in action.option_strings]
    return "unknown arguments: " + ", ".join(
        f"{word}{_suggestion(word.partition('=')[0], options)}" for word in words
    )


def _suggestion(word: str, possible: Sequence[str] | dict[str, Command]) -> str:
    close = get_close_matches(word, list(possible), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
