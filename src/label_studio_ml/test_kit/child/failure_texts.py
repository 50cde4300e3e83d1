"""Tell exceptions that explain what is wrong from those that only Python has written."""

import re
import traceback
from pathlib import Path

from label_studio_ml.errors import BackendError
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
