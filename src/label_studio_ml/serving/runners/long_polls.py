"""Long polls: requests that a model answers when it has something to say, some seconds later.

A page that follows a tracker sends one `track_progress` after the other; each waits up to 5 s in `predict` for new
frames. They run in threads of their own beside the calls of `predict`, and take no slot for predictions.
"""

from label_studio_ml.errors import Overloaded

#: Long polls that one model process, or thread runner, answers at a time.
MAX_LONG_POLLS = 32


def too_many() -> Overloaded:
    """Return the error for a long poll beyond the limit."""
    return Overloaded(
        f"{MAX_LONG_POLLS} long polls are waiting in the model process already",
        fix="Send the request again in a moment",
    )
