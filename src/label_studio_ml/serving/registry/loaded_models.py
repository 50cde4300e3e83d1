"""Record of the loaded models: by key, and by the project that each serves. Models change their states here only."""

import time
from collections import OrderedDict
from collections.abc import Hashable

from label_studio_ml.serving.registry.loaded_model import LoadedModel, ModelState, key_of
from label_studio_ml.serving.registry.serving_process import ServingProcess
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.manifest import Manifest

#: The most loaded models; the least recently used one is evicted first.
MAX_LOADED = 32


class LoadedModels:
    """Loaded models of all projects.

    `by_key` has those that requests may find: LOADING, LOADED and FAILED, the most recently used last. `serving` has
    the one that answers each project by its uid, until a newer one is loaded; it may be SUPERSEDED.
    """

    def __init__(self) -> None:
        self.by_key: OrderedDict[Hashable, LoadedModel] = OrderedDict()
        self.serving: dict[str, LoadedModel] = {}
        self._last_number = 0

    def create(
        self, project: Project, manifest: Manifest | None, process: ServingProcess, *, retried: bool = False
    ) -> LoadedModel:
        """Return a new model in the state LOADING, which requests do not find before `add` or `replace`."""
        self._last_number += 1
        return LoadedModel(
            self._last_number, key_of(project, manifest), project, manifest, process, retried=retried
        )

    def add(self, model: LoadedModel) -> None:
        """Let requests find a model; evict others if there are too many."""
        self.by_key[model.key] = model
        self._evict()

    def all(self) -> list[LoadedModel]:
        """Return the models that requests may find, and those that serve until a newer one is loaded."""
        return list(dict.fromkeys([*self.by_key.values(), *self.serving.values()]))

    def in_process(self, process: ServingProcess) -> list[LoadedModel]:
        """Return the models in a process, with those that failed to load there."""
        return [model for model in self.all() if model.process is process]

    def latest(self, uid: str) -> LoadedModel | None:
        """Return the model that serves a project, or the one used last; None if it has none."""
        candidates = (model for model in reversed(self.by_key.values()) if model.project.uid == uid)
        return self.serving.get(uid) or next(candidates, None)

    def serving_now(self, uid: str) -> LoadedModel | None:
        """Return the model that can answer for a project while another one loads, or None."""
        model = self.serving.get(uid)
        if model is None or not model.loaded or model.process.runner.ended.done():
            return None
        return model

    def replace(self, old: LoadedModel | None, new: LoadedModel) -> None:
        """Let `new` take the place of `old`, which is withdrawn; withdraw `new` if `old` has lost its place."""
        uid, key = new.project.uid, new.key
        serves = old is None or self.serving.get(uid) is old
        if old is not None:
            new.last_request = max(new.last_request, old.last_request)
        is_found = old is not None and self.by_key.get(key) is old
        if serves:
            self.serving[uid] = new
            if new.state is ModelState.LOADED:
                self.by_key.setdefault(key, new)
        if is_found:
            self.by_key[key] = new
        if not serves and not is_found:
            self.withdraw(new)
        if old is not None and old is not new:
            self.withdraw(old)

    def supersede(self, model: LoadedModel) -> None:
        """Let the next request load a model's successor; until that is loaded, the model goes on answering."""
        if model.enter(ModelState.SUPERSEDED):
            self._hide(model)

    def withdraw(self, model: LoadedModel, *, unload: bool = True) -> None:
        """Send no further requests to a model. After those in flight, its process removes it.

        Without `unload`, no message is sent: the process ends, or removes the model when it loads the successor.
        """
        self._hide(model)
        if self.serving.get(model.project.uid) is model:
            del self.serving[model.project.uid]
        model.enter(ModelState.WITHDRAWN)
        if not unload:
            model.enter(ModelState.REMOVED)
        self.unload_if_idle(model)

    def leave(self, model: LoadedModel) -> None:
        """Record the end of one request to a model."""
        model.in_flight -= 1
        model.last_request = time.time()
        if not model.in_flight:
            self.unload_if_idle(model)
        if len(self.by_key) > MAX_LOADED:
            self._evict()

    def unload_if_idle(self, model: LoadedModel) -> None:
        """Let the process remove a withdrawn model, once it is loaded, if it has no requests in flight nor is held."""
        if model.in_flight:
            return
        model.idle.set()
        if (
            model.state is ModelState.WITHDRAWN
            and model.loaded
            and not model.holds
            and model.enter(ModelState.REMOVED)
            and not model.process.runner.ended.done()
        ):
            model.process.runner.unload(model.number)

    def _evict(self) -> None:
        """Withdraw idle models, the least recently used first, until at most `MAX_LOADED` are left."""
        excess = len(self.by_key) - MAX_LOADED
        if excess > 0:
            idle = [model for model in self.by_key.values() if not model.in_flight and model.ready.done()]
            for model in idle[:excess]:
                self.withdraw(model)

    def _hide(self, model: LoadedModel) -> None:
        if self.by_key.get(model.key) is model:
            del self.by_key[model.key]
