"""Import the SDK's `label_interface` without `jsf`, which only its generated sample predictions need.

`jsf` imports faker, smart_open and, through smart_open, the clients of S3, Google's and Azure's storage where they are
installed. That is most of the time that `import label_studio_sdk.label_interface` takes: without it, `start --check`
took 1.21 s of processor time instead of 1.98 s. While the SDK's module runs, the import of `jsf` gets a stand-in whose
`JSF` imports the real one when it is called; `jsf` in turn gets a stand-in for smart_open, with which it reads schemas
from files only. Afterwards `import jsf` and `import smart_open` lead to the real modules again.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

_INTERFACE = "label_studio_sdk.label_interface.interface"


class _StandIn(ModuleType):
    """A module of which only one function is needed. All other names import the real module at once."""

    def __init__(self, spec: ModuleSpec, function: str, value: Callable[..., Any]) -> None:
        super().__init__(spec.name)
        self.__path__ = list(spec.submodule_search_locations or ())
        setattr(self, function, value)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self.remove()
        return getattr(importlib.import_module(self.__name__), name)

    def remove(self) -> None:
        """Let further imports get the real module."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]


@contextmanager
def _stand_in(name: str, function: str, value: Callable[..., Any]) -> Iterator[None]:
    """Let imports of `name` get a stand-in, unless the real module is imported already or not installed."""
    spec = importlib.util.find_spec(name) if name not in sys.modules else None
    if spec is None:
        yield
        return
    module = sys.modules[name] = _StandIn(spec, function, value)
    try:
        yield
    finally:
        module.remove()


def _generator(*args: Any, **kwargs: Any) -> Any:
    """Create a `jsf.JSF`."""
    with _stand_in("smart_open", "open", _open):
        jsf = importlib.import_module("jsf")
    return jsf.JSF(*args, **kwargs)


def _open(*args: Any, **kwargs: Any) -> Any:
    """Open a file with smart_open."""
    return importlib.import_module("smart_open").open(*args, **kwargs)


class _Loader(SourceFileLoader):
    """Loader of the SDK's module."""

    def exec_module(self, module: ModuleType) -> None:
        with _stand_in("jsf", "JSF", _generator):
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
