"""Errors of a training that its annotations did not cause, and that a later training may not have."""

from label_studio_ml.errors import FileFetchError, StudioAuthError, StudioError


def studio_may_recover(error: BaseException) -> bool:
    """Tell whether Label Studio may answer later: it could not be reached, or answered with 429 or 5xx.

    Returns False for a refused token, and for a task's file that cannot be fetched.
    """
    if isinstance(error, StudioAuthError | FileFetchError):
        return False
    return isinstance(error, StudioError) and error.passing
