"""Offer modules of older releases to user code: `label_studio_tools` and `label_studio_sdk.objects`.

Release 1.0.9 of this package depended on the distribution `label-studio-tools`, from which model files of that time
import. It later moved into the SDK, whose copy is offered if the distribution is not installed. Model files of 2024
import `label_studio_sdk.objects`, which has moved to `label_studio_sdk.label_interface.objects`. The import finder in
this module is the last on `sys.meta_path`, so it is asked only for modules that no other finder has: an installed
`label_studio_tools`, or a folder of that name next to the model, takes precedence.

`core.utils.io.get_local_path` is the SDK's: it reads local files only below LOCAL_FILES_DOCUMENT_ROOT, for which
release 1.0.9 used `/` by default.
"""

import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

NAME = "label_studio_tools"

_SDK_OBJECTS = "label_studio_sdk.objects"


class _Finder:
    """An import finder for `label_studio_tools` in the SDK's folder, and for a stand-in of `label_studio_sdk.objects`.

    Python then finds the submodules of `label_studio_tools` as usual.
    """

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name == _SDK_OBJECTS:
            stand_in = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sdk_objects.py")
            return importlib.util.spec_from_file_location(name, stand_in)
        if name != NAME:
            return None
        for folder in _copies():
            file = os.path.join(folder, "__init__.py")
            if os.path.isfile(file):
                return importlib.util.spec_from_file_location(NAME, file, submodule_search_locations=[folder])
        return None


def install() -> None:
    """Add the finder to the end of `sys.meta_path`, once. Imports no module."""
    if _Finder not in sys.meta_path:
        sys.meta_path.append(_Finder)


def is_offered(top: str) -> bool:
    """Tell whether `top` is `label_studio_tools` and imports of it in user code lead to the SDK's copy."""
    return (
        top == NAME
        and importlib.machinery.PathFinder.find_spec(NAME) is None
        and _Finder.find_spec(NAME) is not None
    )


def _copies() -> list[str]:
    """Return the folders where the SDK's copy of `label_studio_tools` may be."""
    spec = importlib.util.find_spec("label_studio_sdk")
    folders = (spec and spec.submodule_search_locations) or ()
    return [os.path.join(folder, "_extensions", NAME) for folder in folders]
