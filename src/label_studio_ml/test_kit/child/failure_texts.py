"""Tell exceptions that explain what is wrong from those that only Python has written."""

from label_studio_ml.errors import BackendError
from label_studio_ml.test_kit.code_places import UserCode

#: Exceptions of a wrong step of the code, which say nothing to the person who has the task.
_UNEXPLAINED = (
    AttributeError,
    TypeError,
    LookupError,
    NameError,
    ZeroDivisionError,
    RecursionError,
    UnicodeError,
    AssertionError,
)


def is_unexplained(code: UserCode, error: BaseException) -> bool:
    """Tell whether an exception says nothing to the person who has the task, or ends the process."""
    if isinstance(error, BackendError):
        return False
    if not isinstance(error, Exception):
        return True
    return isinstance(error, _UNEXPLAINED) and not code.raises_by_itself(error)
