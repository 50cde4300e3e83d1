"""What a check finds."""

from dataclasses import dataclass
from enum import StrEnum

from label_studio_ml.errors import BackendError


class Status(StrEnum):
    """How a check ended. A `SKIP` could not be looked at, because of another that failed, or for lack of an option."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Check:
    """One link that was looked at: `what` was found, and the `fix` if it is not ok."""

    name: str
    status: Status
    what: str
    fix: str = ""


def ok(name: str, what: str) -> Check:
    """Return a check that found nothing wrong."""
    return Check(name, Status.OK, what)


def warn(name: str, what: str, fix: str) -> Check:
    """Return a check that found what may become trouble."""
    return Check(name, Status.WARN, what, fix)


def fail(name: str, what: str, fix: str) -> Check:
    """Return a check that found what does not work."""
    return Check(name, Status.FAIL, what, fix)


def skip(name: str, why: str) -> Check:
    """Return a check that was left out."""
    return Check(name, Status.SKIP, why)


def failed(name: str, error: BackendError) -> Check:
    """Return the check that an error ended."""
    return fail(name, " ".join(error.message.split()), error.fix)
