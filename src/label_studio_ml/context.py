"""What a backend lends to the models that it builds."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from label_studio_ml.versions.state import MemoryState, State

if TYPE_CHECKING:
    from label_studio_ml.studio.files import FileAccess


@dataclass(slots=True, kw_only=True)
class ModelContext:
    """What a backend lends to the models that it builds; a model built by hand gets an empty one.

    `state` holds the project's key/value pairs. `version` is the name of the trained version that the model
    is built from (empty before the first training), `renamed` the name that its `predict` has set since. `files`
    fetches task files; None for a model built by hand. `studio_url` and `studio_token` are where Label Studio is and
    the token for it.
    """

    state: State = field(default_factory=MemoryState)
    version: str = ""
    renamed: str = ""
    files: "FileAccess | None" = None
    studio_url: str = ""
    studio_token: str = field(default="", repr=False)
    extra_params: Any = None


_current: ContextVar[ModelContext | None] = ContextVar("label_studio_ml_model_context", default=None)


@contextmanager
def model_context(context: ModelContext) -> Iterator[None]:
    """Lend `context` to the models that are built inside the `with` block."""
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)


def current_context() -> ModelContext:
    """Return what is lent at this place: an empty context outside `model_context`."""
    return _current.get() or ModelContext()


def is_lent(context: ModelContext) -> bool:
    """Tell whether `context` is what is lent at this place: the model that has it is being built."""
    return _current.get() is context


def parse_extra_params(value: Any) -> Any:
    """Return `extra_params` parsed: JSON text becomes its value, other text stays, empty text becomes None."""
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        try:
            return json.loads(text)
        except ValueError:
            return text
    return value
