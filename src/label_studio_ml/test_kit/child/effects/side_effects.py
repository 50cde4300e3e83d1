"""Record what user code does to its process: the network, standard input, the working folder, files, variables."""

import contextlib
import functools
import io
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from label_studio_ml.test_kit.code_places import NOWHERE, Place, UserCode, caller

_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT

#: Modules of Python's library that call `putenv` in the name of the code that called them.
_BETWEEN = ("os", "_collections_abc", "contextlib")

Occurrence = tuple[str, Place]


@dataclass
class SideEffects:
    """What one process has done, each as what was concerned, with the line of the user's code.

    `written` and `read` are absolute paths of files opened. `settings` has the functions by which settings of the
    process were changed. Only what happens inside `watching` is recorded. While `is_offline` is set, connections to
    other machines are refused.
    """

    code: UserCode
    network: list[Occurrence] = field(default_factory=list)
    stdin: list[Occurrence] = field(default_factory=list)
    folders: list[Occurrence] = field(default_factory=list)
    variables: list[Occurrence] = field(default_factory=list)
    written: list[Occurrence] = field(default_factory=list)
    read: set[str] = field(default_factory=set)
    settings: list[Occurrence] = field(default_factory=list)
    is_offline: bool = False
    _watching: int = field(default=0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def install(self) -> None:
        """Add the audit hook of this process, and watch its standard input and functions without an audit event."""
        sys.addaudithook(self._hook)
        sys.stdin = _Stdin(self)
        self._watch(socket, "setdefaulttimeout")
        self._watch(signal, "signal")

    def _watch(self, module: ModuleType, name: str) -> None:
        """Let a function of a module record where it is called, in `settings`."""
        function: Callable[..., Any] = getattr(module, name)

        @functools.wraps(function)
        def recording(*arguments: Any, **options: Any) -> Any:
            if self._watching:
                self.settings.append((f"{module.__name__}.{name}", self.code.place_on_stack(caller(0))))
            return function(*arguments, **options)

        setattr(module, name, recording)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Record what happens until the end of the block. Blocks may be within each other, and overlap in threads."""
        with self._lock:
            self._watching += 1
        try:
            yield
        finally:
            with self._lock:
                self._watching -= 1

    def reads_stdin(self) -> None:
        """Record that standard input is read."""
        self.stdin.append(("standard input", self.code.place_on_stack(caller(1))))

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._watching:
            return
        handler = _HANDLERS.get(event)
        if handler is not None:
            handler(self, arguments)

    def _opened(self, arguments: tuple[Any, ...]) -> None:
        path, _, flags = arguments
        if not isinstance(path, str | bytes | os.PathLike) or not isinstance(flags, int):
            return  # a file descriptor
        absolute = os.path.abspath(os.fsdecode(path))
        if flags & _WRITE_FLAGS:
            place = self.code.place_on_stack(caller(2))
            if place is not NOWHERE:
                self.written.append((absolute, place))
        else:
            self.read.add(absolute)

    def _connects(self, arguments: tuple[Any, ...]) -> None:
        address = arguments[1] if len(arguments) > 1 else arguments[0]
        if not isinstance(address, tuple):
            return  # a socket of this machine
        self.network.append((f"{address[0]}:{address[1]}", self.code.place_on_stack(caller(2))))
        if self.is_offline:
            raise ConnectionRefusedError("the import of a model file is tested without a network")

    def _looks_up(self, arguments: tuple[Any, ...]) -> None:
        if not arguments[0] or not self.is_offline:
            return
        self.network.append((str(arguments[0]), self.code.place_on_stack(caller(2))))
        raise OSError("the import of a model file is tested without a network")

    def _prompts(self, arguments: tuple[Any, ...]) -> None:
        self.stdin.append((f"input({arguments[0]!r})", self.code.place_on_stack(caller(2))))

    def _changes_folder(self, arguments: tuple[Any, ...]) -> None:
        self.folders.append((str(arguments[0]), self.code.place_on_stack(caller(2))))

    def _sets_limit(self, arguments: tuple[Any, ...]) -> None:
        self.settings.append(("resource.setrlimit", self.code.place_on_stack(caller(2))))

    def _sets_variable(self, arguments: tuple[Any, ...]) -> None:
        frame = caller(2)
        while frame is not None and frame.f_globals.get("__name__") in _BETWEEN:
            frame = frame.f_back
        if frame is not None and self.code.owns(frame.f_code.co_filename):
            place = self.code.shown((frame.f_code.co_filename, frame.f_lineno))
            self.variables.append((os.fsdecode(arguments[0]), place))


_HANDLERS = {
    "open": SideEffects._opened,
    "socket.connect": SideEffects._connects,
    "socket.getaddrinfo": SideEffects._looks_up,
    "builtins.input": SideEffects._prompts,
    "os.chdir": SideEffects._changes_folder,
    "os.putenv": SideEffects._sets_variable,
    "os.unsetenv": SideEffects._sets_variable,
    "resource.setrlimit": SideEffects._sets_limit,
    "resource.prlimit": SideEffects._sets_limit,
}


class _Stdin(io.TextIOBase):
    """Standard input that is at its end, and records that it is read."""

    def __init__(self, effects: SideEffects) -> None:
        self._effects = effects

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> str:
        self._effects.reads_stdin()
        return ""

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
        self._effects.reads_stdin()
        return ""


def written_in(effects: SideEffects, folders: list[Path], excluded: list[Path]) -> list[Occurrence]:
    """Return the files that were opened for writing in one of the `folders` and in none of those `excluded`, each once.

    Hidden files, caches of Python and log files do not count.
    """
    places: dict[str, Place] = {}
    for path, place in effects.written:
        folder = next((folder for folder in folders if Path(path).is_relative_to(folder)), None)
        if folder is None or any(Path(path).is_relative_to(other) for other in excluded):
            continue
        parts = Path(path).relative_to(folder).parts
        is_no_weight = any(part.startswith(".") or part == "__pycache__" for part in parts)
        if not is_no_weight and not path.endswith(".log") and os.path.isfile(path):
            places.setdefault(path, place)
    return list(places.items())
