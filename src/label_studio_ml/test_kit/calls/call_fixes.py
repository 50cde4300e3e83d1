"""What to do about a process that ended, or was ended, in a call of user code."""

from label_studio_ml.test_kit.child_plan import CallKind

_WAITS = "Label Studio gives up a request for predictions after 100 s"

#: For calls that took too long.
_LATE = {
    CallKind.IMPORT: f"Let the import return in time: predictions wait for it, and {_WAITS}",
    CallKind.BUILD: f"Let the constructor and setup() return in time: predictions wait for them, and {_WAITS}",
    CallKind.PREDICT: f"Let predict return in time: {_WAITS} (its ML_TIMEOUT_PREDICT)",
    CallKind.FIT: "Let fit return in time for so few annotations, or allow it more: --fit-timeout SECONDS. Label "
    "Studio does not wait for fit",
    CallKind.CANCELLED_FIT: "Ask job.cancelled (an argument of fit) in each epoch, and return if it is true",
}

#: Methods at which a call of a kind begins.
METHODS = {
    CallKind.IMPORT: ("setup", "__init__", "predict"),
    CallKind.BUILD: ("setup", "__init__"),
    CallKind.PREDICT: ("predict",),
    CallKind.FIT: ("fit",),
    CallKind.CANCELLED_FIT: ("fit",),
}


def fix_of(kind: CallKind | None, *, is_late: bool) -> str:
    """Return what to do; `kind` is None between calls."""
    if kind is None:
        return ""
    if is_late:
        return _LATE[kind]
    return "Raise exceptions instead of ending the process, and limit what is kept in memory"
