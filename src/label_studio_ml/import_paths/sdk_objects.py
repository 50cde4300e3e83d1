"""Stand-in for `label_studio_sdk.objects`, which newer SDK releases lack; `tools_alias` offers it to user code."""

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    """Return the SDK's own object of this name, from its new location."""
    return getattr(importlib.import_module("label_studio_sdk.label_interface.objects"), name)
