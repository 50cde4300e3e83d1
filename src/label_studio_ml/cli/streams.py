"""Standard streams of a command: closed streams and pipes, characters that cannot be encoded, rich's consoles."""

import contextlib
import io
import os
import select
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from label_studio_ml.errors import BackendError
from label_studio_ml.support.texts import json_visible, our_command, visible

if TYPE_CHECKING:
    from rich.console import Console

_SHOW_CURSOR = "\x1b[?25h"


def prepare_streams() -> None:
    """Make standard input, output and error usable, even if they are closed or have a limited encoding.

    A closed stream (`>&-`) becomes the null device; else the next opened file would get its descriptor, and child
    processes would print into that file. A character that an output's encoding lacks is written as an escape.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        stream = getattr(sys, name)
        if stream is None and _open_as_null(number):
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
        elif number and isinstance(stream, io.TextIOWrapper) and _refuses_characters(stream):
            stream.reconfigure(errors="backslashreplace")


def _refuses_characters(stream: io.TextIOWrapper) -> bool:
    """Tell whether writing some characters to `stream` raises.

    "surrogateescape", the error handler in the C locale, writes bytes of undecodable file names only.
    """
    utf8 = stream.encoding.lower().replace("-", "") == "utf8"
    return stream.errors == "strict" or (stream.errors == "surrogateescape" and not utf8)


def _open_as_null(number: int) -> bool:
    """Open the null device as descriptor `number` if that is closed, inheritable by child processes.

    Returns True if it was opened, False if the descriptor is in use or the null device cannot be opened.
    """
    try:
        os.fstat(number)
    except OSError:
        with contextlib.suppress(OSError):
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)
            return True
    return False


def say(*lines: str, file: TextIO | None = None, flush: bool = False) -> None:
    """Print each text as one line; invisible characters and line breaks in it are printed as escapes, as in the log.

    Names, titles and causes come from files and servers, and may contain any character. `file` None stands for
    standard output.
    """
    print("\n".join(map(visible, lines)), file=file, flush=flush)


def say_error(error: BackendError) -> None:
    """Print the error that ends a command on standard error, and the call that explains its code as a second line."""
    say(f"label-studio-ml: {error}", explanation(error.code), file=sys.stderr)


def explanation(code: str) -> str:
    """Return the line that follows an error: the call that explains its code.

    It is a line of its own, as a message often ends with a command to copy.
    """
    return f"More: {our_command('explain', code)}"


def say_json(text: str) -> None:
    """Print the JSON `text` on standard output, with invisible characters as JSON escapes."""
    lines = text.split("\n")  # line breaks in JSON are between values only
    print("\n".join(json_visible(line) for line in lines))


def nobody_reads() -> bool:
    """Tell whether the reader of standard output has closed the pipe; if so, the rest of the output is discarded."""
    try:
        sys.stdout.flush()
        if not hasattr(select, "poll"):  # Windows
            return False
        poll = select.poll()
        poll.register(sys.stdout, 0)
        if not any(state & (select.POLLERR | select.POLLHUP) for _, state in poll.poll(0)):
            return False
    except BrokenPipeError:
        pass
    except (OSError, ValueError):  # closed, or not a file
        return False
    discard_output()
    return True


def discard_output() -> None:
    """Redirect standard output to the null device, which discards the output still in the buffer."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def make_console(file: TextIO | None = None) -> "Console":
    """Return rich's console on `file`, None for standard output; text is not highlighted.

    A closed pipe (`| head`) raises BrokenPipeError, for which `main` has an exit code; rich would exit with 1.
    """
    from rich.console import Console, ConsoleDimensions

    class CommandConsole(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    console = CommandConsole(file=file, highlight=False)
    if console.width < 1 or console.height < 1:  # COLUMNS=0: rich would print nothing
        console.size = ConsoleDimensions(*shutil.get_terminal_size())
    return console


@contextlib.contextmanager
def cursor_restored(console: "Console") -> Iterator[None]:
    """Show the cursor at the end of the block, which may hide it, also if Ctrl-C interrupts rich's own clean-up."""
    try:
        yield
    finally:
        if console.is_terminal and not console.is_dumb_terminal:
            console.file.write(_SHOW_CURSOR)
            console.file.flush()
