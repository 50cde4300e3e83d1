"""Rich's consoles as commands use them. Slow to import: import it where something is printed."""

import contextlib
import shutil
from collections.abc import Iterator
from typing import TextIO

from rich.console import Console, ConsoleDimensions

_SHOW_CURSOR = "\x1b[?25h"


class CommandConsole(Console):
    """A console that leaves a closed pipe (`| head`) to `main`, which knows the exit code; rich would exit with 1."""

    def on_broken_pipe(self) -> None:
        """Raise BrokenPipeError."""
        raise BrokenPipeError


def make_console(file: TextIO | None = None) -> Console:
    """Return a console on `file`, None for standard output, whose text is not highlighted."""
    console = CommandConsole(file=file, highlight=False)
    if console.width < 1 or console.height < 1:  # COLUMNS=0: rich would print nothing
        console.size = ConsoleDimensions(*shutil.get_terminal_size())
    return console


@contextlib.contextmanager
def cursor_restored(console: Console) -> Iterator[None]:
    """Show the cursor at the end of the block, which may hide it, also if Ctrl-C interrupts rich's own clean-up."""
    try:
        yield
    finally:
        if console.is_terminal and not console.is_dumb_terminal:
            console.file.write(_SHOW_CURSOR)
            console.file.flush()
