"""The model context: what a backend passes to the base class of a model that it builds, outside of the constructor."""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from label_studio_ml.versions.state.key_values import MemoryState, StagedState, State

if TYPE_CHECKING:
    from label_studio_ml.model_api.computed.value_cache import ValueCache
    from label_studio_ml.studio.files.fetch import FileAccess

logger = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class ModelContext:
    """What a backend provides to a model that it builds; a model built by user code has an empty one.

    `state` holds the project's key/value pairs. `version` is the name of the trained version that the model is built
    from (empty before the first training), `renamed` the name that its `predict` has set since. `files` fetches task
    files; None for a model built by user code. `studio_url` and `studio_token` are Label Studio's URL and a token.
    `extra_params` are the backend's parsed extra params from Label Studio, `arguments` the constructor's arguments from
    the command line, config.json or `init_app`. `values` is the cache of computed values, None for a model built by
    user code; `code` is the hash of the class's code, empty if it is not known.
    """

    state: State = field(default_factory=MemoryState)
    version: str = ""
    renamed: str = ""
    files: "FileAccess | None" = None
    studio_url: str = ""
    studio_token: str = field(default="", repr=False)
    extra_params: Any = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    values: "ValueCache | None" = None
    code: str = ""

    def version_name(self) -> str | None:
        """Return the version name set in this run's `fit`, else the served version's; None if there is no name."""
        set_by_fit = self.state.changes.get("model_version") if isinstance(self.state, StagedState) else ""
        return set_by_fit or self.renamed or self.version or self.state.get("model_version")

    def set_version_name(self, name: str, *, building: bool) -> bool:
        """Name a version: that before any training, in `fit` the new one, in `predict` the served one.

        `building` says that the model's constructor or `setup` is running: then, a trained version keeps its name.
        Returns whether the name was set.
        """
        if building and self.version:
            logger.debug("The constructor names version %r; the trained version %r stays", name, self.version)
            return False
        self.state.set("model_version", name)
        if not building and not isinstance(self.state, StagedState):
            self.renamed = name
        return True


_current: ContextVar[ModelContext | None] = ContextVar("label_studio_ml_model_context", default=None)


@contextmanager
def model_context(context: ModelContext) -> Iterator[None]:
    """Make `context` the current context of models that are built inside the `with` block."""
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)


def current_context() -> ModelContext:
    """Return the current context, a new empty one outside of `model_context`."""
    return _current.get() or ModelContext()


def is_being_built(context: ModelContext) -> bool:
    """Tell whether the model of `context` is being built: its context is the current one then."""
    return _current.get() is context


def parse_extra_params(value: Any) -> Any:
    """Return extra params parsed: JSON text becomes its value, other text stays, empty text becomes None."""
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        try:
            return json.loads(text)
        except ValueError:
            return text
    return value
