"""What one server reports of itself: its identity, its model processes, and what it serves to each project."""

import os
import socket
import time

import msgspec

from label_studio_ml import __version__
from label_studio_ml.errors import ParamsError
from label_studio_ml.monitoring.prometheus import SpoolFigures
from label_studio_ml.serving.registry.loaded_model import LoadedModel, ModelState
from label_studio_ml.serving.registry.model_registry import ModelRegistry
from label_studio_ml.serving.runners.runner_places import places

#: The most characters of a cause in a report.
MAX_CAUSE = 500


class ModelProcess(msgspec.Struct, frozen=True):
    """A process that runs models: its id, 0 while it starts, and its device, "" if that is not known."""

    pid: int
    device: str = ""


class ServedModel(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a server serves to a project, or why it serves nothing.

    `state` is "loaded", "loading" or "failed". `since` is the Unix time at which the model was loaded, `last_request`
    that of its last request, 0.0 for none; `processes` are the ids of its processes. `error` says why the wanted
    model, of version `failed_version`, is not loaded, empty if it is. `params` is empty if the class declares no
    parameters, else "default", "set" or "refused".
    """

    uid: str
    state: str
    title: str = ""
    version: str = ""
    version_id: str = ""
    since: float = 0.0
    last_request: float = 0.0
    processes: tuple[int, ...] = ()
    error: str = ""
    failed_version: str = ""
    params: str = ""


class ServerReport(msgspec.Struct, frozen=True, kw_only=True):
    """A server's report of itself, made at the Unix time `at`. `served` has the last used models first.

    `address` is the URL that it listens at, empty behind another web server. `problem` says why it cannot answer
    predictions, empty if it can; `spool` and `spool_bytes` are the events on its disk that Redis has not taken.
    `ended`: the server has stopped.
    """

    id: str
    host: str
    pid: int
    address: str
    started: float
    at: float
    version: str
    model_class: str = ""
    processes: tuple[ModelProcess, ...] = ()
    served: tuple[ServedModel, ...] = ()
    problem: str = ""
    spool: int = 0
    spool_bytes: int = 0
    ended: bool = False


class ServerIdentity(msgspec.Struct):
    """What does not change while a server runs; `address` is set when it listens."""

    id: str
    started: float
    address: str = ""


def describe(
    identity: ServerIdentity, registry: ModelRegistry, spool: SpoolFigures, *, ended: bool = False
) -> ServerReport:
    """Return the present report of this process's server. To be called on the event loop of `registry`."""
    info = registry.info
    processes = [
        ModelProcess(place.pid, place.device)
        for process in registry.processes.all
        if not process.runner.ended.done()
        for place in places(process.runner)
    ]
    return ServerReport(
        id=identity.id,
        host=socket.gethostname(),
        pid=os.getpid(),
        address=identity.address,
        started=identity.started,
        at=time.time(),
        version=__version__,
        model_class=info.name if info is not None else "",
        processes=tuple(sorted(processes, key=lambda process: process.pid)),
        served=tuple(_served(registry)),
        problem=_short(registry.problem()),
        spool=spool.events,
        spool_bytes=spool.size,
        ended=ended,
    )


def fingerprint(registry: ModelRegistry) -> object:
    """Return a value that changes when another version is served, or a model is loaded or fails to load."""
    return [(model.number, model.state, model.renamed) for model in registry.models.all()]


def _served(registry: ModelRegistry) -> list[ServedModel]:
    models = registry.models
    wanted: dict[str, LoadedModel] = {}
    for model in reversed([*models.serving.values(), *models.by_key.values()]):
        wanted.setdefault(model.project.uid, model)
    return [_served_model(registry, uid, model) for uid, model in wanted.items()]


def _served_model(registry: ModelRegistry, uid: str, wanted: LoadedModel) -> ServedModel:
    """Return what is served to a project. `wanted` is the model for it that was used last."""
    serving = registry.models.serving_now(uid)
    shown = serving or wanted
    failure = wanted.failure
    failed_version, error = wanted.manifest.name if wanted.manifest is not None else "", ""
    if failure is not None:
        error = str(failure)
    elif failures := registry.failures(uid):
        failed_version, error = list(failures.items())[-1]
    return ServedModel(
        uid=uid,
        state="loaded" if shown.loaded else "failed" if shown.state is ModelState.FAILED else "loading",
        title=wanted.project.title,
        version=shown.version if shown.loaded else "",
        version_id=shown.manifest.id if shown.manifest is not None else "",
        since=round(shown.loaded_at, 1),
        last_request=float(round(shown.last_request)),
        processes=tuple(place.pid for place in places(shown.process.runner)) if shown.process.usable else (),
        error=_short(error),
        failed_version=failed_version if error else "",
        params=_params(registry, wanted),
    )


def _params(registry: ModelRegistry, model: LoadedModel) -> str:
    """Return the state of a project's parameters: empty if its class declares none."""
    if isinstance(model.failure, ParamsError):
        return "refused"
    if registry.info is None or not registry.info.has_params:
        return ""
    return "set" if model.project.extra_params else "default"


def _short(cause: str) -> str:
    return cause if len(cause) <= MAX_CAUSE else f"{cause[:MAX_CAUSE]}…"
