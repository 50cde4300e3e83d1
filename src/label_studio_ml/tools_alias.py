"""Offer modules to user code that older releases had: `label_studio_tools` and `label_studio_sdk.objects`.

Release 1.0.9 of this package depended on the distribution `label-studio-tools`, and model files of that time import
from it. Later it moved into the SDK, whose copy is offered where that distribution is not installed. Model files of
2024 import `label_studio_sdk.objects`, which moved to `label_studio_sdk.label_interface.objects`. The import finder
below stands last on `sys.meta_path`: it is asked only for modules that nothing else has, so an installed
`label_studio_tools`, or a folder of that name beside the model, wins.

`core.utils.io.get_local_path` is the SDK's: it reads local files only below LOCAL_FILES_DOCUMENT_ROOT. Release 1.0.9
took `/` where that was not set.
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
    """Finds the package `label_studio_tools` in the SDK's folder, and a stand-in for `label_studio_sdk.objects`.

    Submodules of the first are then found as usual.
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
    """Let imports of what older releases had find it if they find nothing else. Nothing is imported."""
    if _Finder not in sys.meta_path:
        sys.meta_path.append(_Finder)


def is_offered(top: str) -> bool:
    """Tell whether `top` is `label_studio_tools` and user code gets the SDK's copy of it, or will."""
    return (
        top == NAME
        and importlib.machinery.PathFinder.find_spec(NAME) is None
        and _Finder.find_spec(NAME) is not None
    )


def _copies() -> list[str]:
    """Return the folders where the SDK's copy may lie."""
    spec = importlib.util.find_spec("label_studio_sdk")
    folders = (spec and spec.submodule_search_locations) or ()
    return [os.path.join(folder, "_extensions", NAME) for folder in folders]
