"""Whether a model class reads the drafts that Label Studio sends with the task of each interactive request.

A draft holds all regions that the annotator has drawn so far, brush strokes as lists of numbers. They can be larger
than the rest of the request by far, and nearly no model reads them.
"""

import inspect
from pathlib import Path
from typing import Any

from label_studio_ml.errors import ModelFileError
from label_studio_ml.model_api.registered_functions import functions
from label_studio_ml.user_code.import_scan import contains_word

#: The key of a task's drafts. A class that reads them has this text in its code.
_KEY = b"drafts"

#: Prefix of the names of this package's modules.
_PACKAGE = "label_studio_ml."


def wants_drafts(cls: type) -> bool:
    """Tell whether models of `cls` get the drafts of tasks: what its attribute `wants_drafts` says.

    If that is None, they get them if the word is in the user's code, or that cannot be read: in the files of the class,
    of its base classes and the modules that these import from their folders, and of registered functions. A combined
    model gets them if a part does. Raises ModelFileError for another value.
    """
    stated = getattr(cls, "wants_drafts", None)
    if stated is not None and not isinstance(stated, bool):
        raise ModelFileError(
            f"{cls.__name__}.wants_drafts is {stated!r}: it must be True or False", field="wants_drafts"
        )
    if stated is not None:
        return stated
    own_code: list[Any] = [
        item for item in cls.__mro__ if item is not object and not item.__module__.startswith(_PACKAGE)
    ]
    if functions.predict is not None:
        own_code.append(functions.predict)
    parts = [part.model_class for part in getattr(cls, "_parts", ())]
    return any(map(_mentions_drafts, own_code)) or any(map(wants_drafts, parts))


def _mentions_drafts(code: Any) -> bool:
    """Tell whether the word is in the file of a class or function or in what that imports from its folder."""
    try:
        return contains_word(Path(inspect.getfile(code)), _KEY)
    except (TypeError, OSError, ModelFileError):
        return True
