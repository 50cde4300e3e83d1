"""What user code finds as `label_studio_sdk.objects` where the SDK has no such module any more: see `tools_alias`."""

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    """Return what the SDK has at the new place: the same class, not a copy."""
    return getattr(importlib.import_module("label_studio_sdk.label_interface.objects"), name)
