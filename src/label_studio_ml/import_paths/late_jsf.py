"""Import the SDK's `label_interface` without `jsf`, which only its generated sample predictions need.

`jsf` imports faker, smart_open and, through smart_open, the clients of S3, Google's and Azure's storage where they are
installed. That is most of the time that `import label_studio_sdk.label_interface` takes: up to a second of each model
process. While the SDK's module runs, the import of `jsf` gets a stand-in whose `JSF` imports the real one when it is
called. Afterwards `import jsf` leads to the real module again.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

_INTERFACE = "label_studio_sdk.label_interface.interface"
_JSF = "jsf"


class _StandIn(ModuleType):
    """Module `jsf` until the SDK's module is imported. Names other than `JSF` import the real module at once."""

    def __init__(self, spec: ModuleSpec) -> None:
        super().__init__(_JSF)
        self.__path__ = list(spec.submodule_search_locations or ())
        self.JSF = _generator

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_real(self), name)


def _generator(*args: Any, **kwargs: Any) -> Any:
    """Create a `jsf.JSF`."""
    return importlib.import_module(_JSF).JSF(*args, **kwargs)


def _real(stand_in: ModuleType) -> ModuleType:
    """Import the real `jsf`, in place of `stand_in`."""
    if sys.modules.get(_JSF) is stand_in:
        del sys.modules[_JSF]
    return importlib.import_module(_JSF)


@contextmanager
def _without_jsf() -> Iterator[None]:
    """Let imports of `jsf` get the stand-in, unless the real module is imported already or not installed."""
    spec = importlib.util.find_spec(_JSF) if _JSF not in sys.modules else None
    if spec is None:
        yield
        return
    stand_in = sys.modules[_JSF] = _StandIn(spec)
    try:
        yield
    finally:
        if sys.modules.get(_JSF) is stand_in:
            del sys.modules[_JSF]


class _Loader(SourceFileLoader):
    """Loader of the SDK's module."""

    def exec_module(self, module: ModuleType) -> None:
        with _without_jsf():
            super().exec_module(module)


class _Finder:
    """Import finder for the SDK's module only; it finds the same file as Python does."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != _INTERFACE:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


def install() -> None:
    """Add the finder to the front of `sys.meta_path`, once. Imports no module."""
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)
