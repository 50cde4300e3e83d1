"""Settings of the process that hold for all of its threads and projects: which of them user code has changed."""

import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from label_studio_ml.test_kit.child.tested_class import TestedClass
from label_studio_ml.test_kit.code_places import NOWHERE
from label_studio_ml.test_kit.report import Failure

#: Signals by which a server stops a model's process, and learns that a process has ended.
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGCHLD") if hasattr(signal, name))
#: Limits that may be lowered: without a core file, a crash is the same.
_HARMLESS = frozenset({"RLIMIT_CORE"})

_TIMEOUT_FIX = "Give the time limit to each connection: requests.get(…, timeout=5)"
_SIGNAL_FIX = (
    "Leave signals to the server, which stops a model's process by them after the requests in progress"
)
_LIMIT_FIX = "Leave the limits of the process alone: they hold for all of its projects, until it ends"


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """The values at one moment: the time limit of new sockets, handlers of signals by name, soft limits by name."""

    timeout: float | None
    handlers: dict[str, object]
    limits: dict[str, float]

    @classmethod
    def now(cls) -> "ProcessSettings":
        """Return those of this process."""
        handlers: dict[str, object] = {number.name: signal.getsignal(number) for number in _SIGNALS}
        return cls(socket.getdefaulttimeout(), handlers, _soft_limits())


def _soft_limits() -> dict[str, float]:
    if sys.platform == "win32":
        return {}
    import resource

    soft = {
        name: resource.getrlimit(getattr(resource, name))[0]
        for name in dir(resource)
        if name.startswith("RLIMIT_") and name not in _HARMLESS
    }
    return {
        name: float("inf") if value == resource.RLIM_INFINITY else float(value)
        for name, value in soft.items()
    }


def timeout_changed(tested: TestedClass, check: str, before: ProcessSettings) -> Iterator[Failure]:
    """Fail if new sockets have another time limit than before."""
    now = socket.getdefaulttimeout()
    if now != before.timeout:
        limit = "none" if now is None else f"{now:g} s"
        message = f"the time limit of all new sockets of the process is changed to {limit}"
        yield _failure(tested, check, message, "socket.setdefaulttimeout", _TIMEOUT_FIX)


def handlers_changed(tested: TestedClass, check: str, before: ProcessSettings) -> Iterator[Failure]:
    """Fail if a signal has another handler than before."""
    now = ProcessSettings.now().handlers
    changed = [name for name, handler in before.handlers.items() if now[name] is not handler]
    if changed:
        message = f"the handler of {' and '.join(changed)} is changed"
        yield _failure(tested, check, message, "signal.signal", _SIGNAL_FIX)


def limits_lowered(tested: TestedClass, check: str, before: ProcessSettings) -> Iterator[Failure]:
    """Fail if a limit of the process is lower than before."""
    for name, value in _soft_limits().items():
        if value < before.limits[name]:
            message = f"{name} is lowered from {before.limits[name]:g} to {value:g}"
            yield _failure(tested, check, message, "resource.setrlimit", _LIMIT_FIX)
            return


def _failure(tested: TestedClass, check: str, message: str, function: str, fix: str) -> Failure:
    places = [place for name, place in tested.effects.settings if name == function]
    place = places[-1] if places else NOWHERE
    return tested.failure(check, message, field=function, fix=fix, place=place)
