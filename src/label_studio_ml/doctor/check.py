"""The result of a check, and functions that build one for each status."""

from dataclasses import dataclass
from enum import StrEnum

from label_studio_ml.errors import BackendError


class Status(StrEnum):
    """Status of a check. `SKIP`: not made, because an earlier check failed or an option or setting is missing."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Check:
    """The result of the check `name`: the finding `what`, and the `fix` for a warning or failure.

    `code` is that of the error which ended the check, empty if none did.
    """

    name: str
    status: Status
    what: str
    fix: str = ""
    code: str = ""


def ok(name: str, what: str) -> Check:
    """Return the result of a check that found no problem."""
    return Check(name, Status.OK, what)


def warn(name: str, what: str, fix: str) -> Check:
    """Return the result of a check that found a possible problem."""
    return Check(name, Status.WARN, what, fix)


def fail(name: str, what: str, fix: str, code: str = "") -> Check:
    """Return the result of a check that found something that does not work."""
    return Check(name, Status.FAIL, what, fix, code)


def skip(name: str, why: str) -> Check:
    """Return the result of a check that was not made, with the reason `why`."""
    return Check(name, Status.SKIP, why)


def failed(name: str, error: BackendError) -> Check:
    """Return the failure of a check that `error` ended, with the error's message, fix and code."""
    return fail(name, " ".join(error.message.split()), error.fix, error.code)
