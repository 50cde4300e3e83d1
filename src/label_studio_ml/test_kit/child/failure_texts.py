"""Tell exceptions that explain what is wrong from those that only Python has written."""

import errno
import re
import traceback
from pathlib import Path

from label_studio_ml.errors import BackendError, StudioError
from label_studio_ml.test_kit.code_places import UserCode, is_raised_at
from label_studio_ml.user_code.import_scan import INSTALLED

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

#: Words with which a library says that annotations are too few, or have too few different labels.
_ABOUT_ANNOTATIONS = re.compile(
    r"class|label|sample|target|example|document|vocabulary|training data", re.IGNORECASE
)


#: Exceptions of HTTP clients, by name: no connection, or an answer that is an error.
_HTTP_ERRORS = frozenset(
    (
        "ApiError",
        "ConnectError",
        "ConnectTimeout",
        "ConnectionError",
        "HTTPError",
        "HTTPStatusError",
        "MaxRetryError",
    )
)


def is_unexplained(code: UserCode, error: BaseException) -> bool:
    """Tell whether an exception says nothing to the person who has the task, or ends the process."""
    if isinstance(error, BackendError):
        return False
    if not isinstance(error, Exception):
        return True
    return isinstance(error, _UNEXPLAINED) and not code.raises_by_itself(error)


def explains_annotations(code: UserCode, error: BaseException) -> bool:
    """Tell whether an exception of `fit` says what is wrong with the annotations.

    It is one of the user's code with a message, one of this package, or a ValueError of an installed library about
    classes, samples and the like, such as scikit-learn's.
    """
    if isinstance(error, BackendError) or code.raises_by_itself(error):
        return True
    frames = traceback.extract_tb(error.__traceback__)
    if not isinstance(error, ValueError) or not frames or not _ABOUT_ANNOTATIONS.search(str(error)):
        return False
    is_installed = INSTALLED.intersection(Path(frames[-1].filename).parts)
    return bool(is_installed) and is_raised_at(frames[-1], error)


def asks_elsewhere(error: BaseException | None) -> bool:
    """Tell whether a request that failed caused an error: the class needs a server that this test does not have."""
    while error is not None:
        if isinstance(error, StudioError | ConnectionError | TimeoutError):
            return True
        if isinstance(error, OSError) and error.errno in (errno.ECONNREFUSED, errno.ENETUNREACH):
            return True
        if type(error).__name__ in _HTTP_ERRORS:
            return True
        error = error.__cause__ or error.__context__
    return False
