"""The standard streams of a command: closed ones, terminals that cannot show a character, readers that are gone."""

import contextlib
import io
import os
import select
import sys
from typing import TextIO

from label_studio_ml.texts import json_visible, visible


def prepare_streams() -> None:
    """Make standard input, output and error usable, whatever the command was started with.

    A stream that is closed (`>&-`) becomes the null device: else the next file that is opened would get its number, and
    programs that the command starts would print into it. A character that an output's encoding lacks is written as an
    escape.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        stream = getattr(sys, name)
        if stream is None and _open_as_null(number):
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
        elif number and isinstance(stream, io.TextIOWrapper) and _refuses_characters(stream):
            stream.reconfigure(errors="backslashreplace")


def _refuses_characters(stream: io.TextIOWrapper) -> bool:
    """Tell whether writing some character to `stream` raises. In the C locale, only broken file names are written."""
    utf8 = stream.encoding.lower().replace("-", "") == "utf8"
    return stream.errors == "strict" or (stream.errors == "surrogateescape" and not utf8)


def _open_as_null(number: int) -> bool:
    """Open the null device as descriptor `number`, for programs that are started too, and tell whether that worked."""
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
    """Print each text as one line, as the log does: what is not seen in it, line breaks too, is printed as an escape.

    Names, titles and causes come from files and servers, and may hold anything. To file None, standard output.
    """
    print("\n".join(map(visible, lines)), file=file, flush=flush)


def say_json(text: str) -> None:
    """Print JSON on standard output; characters that are not seen are written in it as JSON's own escapes."""
    lines = text.split("\n")  # in JSON they are between values only
    print("\n".join(json_visible(line) for line in lines))


def nobody_reads() -> bool:
    """Tell whether standard output's reader is gone; then what is still to be written to it goes nowhere."""
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
    """Let what is still to be written to standard output go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
