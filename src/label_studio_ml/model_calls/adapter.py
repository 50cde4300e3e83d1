"""Adapter for model classes of both API generations: build a model, call its `predict`, call its `fit`."""

import functools
import inspect
import logging
import re
import sysconfig
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml.config.setting_values import MAX_SECONDS, MAX_THREADS
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BackendError, FitError, LabelConfigError, ModelLoadError, NoLabelConfig
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_api.api_generation import (
    Generation,
    initial_version,
    method_parameters,
    overrides_hook,
)
from label_studio_ml.model_api.api_generation import generation as generation
from label_studio_ml.model_api.computed.value_cache import ValueCache
from label_studio_ml.model_api.drafts import wants_drafts
from label_studio_ml.model_api.model_context import ModelContext, model_context, parse_extra_params
from label_studio_ml.model_calls.class_attributes import gate, limit, names
from label_studio_ml.model_calls.coroutines import finish
from label_studio_ml.model_calls.project_login import studio_login, studio_private
from label_studio_ml.model_calls.setup_request import setup_request
from label_studio_ml.params.class_params import declaration_of, refuse_undeclared_arguments, resolve
from label_studio_ml.processes.forked_children import UserCode
from label_studio_ml.protocol.label_config import parse_label_config
from label_studio_ml.protocol.prediction_json import plain
from label_studio_ml.studio.files.fetch import FileAccess
from label_studio_ml.user_code.code_identity import CodeIdentity
from label_studio_ml.user_code.import_scan import INSTALLED
from label_studio_ml.versions.state.key_values import State
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.manifest import Manifest

logger = logging.getLogger(__name__)

#: Folders of code that is not the user's: this package and the standard library.
_FOREIGN = {Path(__file__).resolve().parents[1], Path(sysconfig.get_path("stdlib"))}

#: Name of the version before any training, for a class of the seed generation (see `model_api.api_generation`).
INITIAL = "INITIAL"
#: Maximum number of tasks in one call of `predict`, unless the class sets `max_batch_size`.
MAX_BATCH = 128
#: Concurrent calls of an `async def predict` in one process, unless the class sets `concurrency`.
ASYNC_CONCURRENCY = 16


#: Events of interactive requests that are long polls, unless the class sets `long_poll_events`.
LONG_POLL_EVENTS = ("track_progress",)
#: Seconds that a click waits for the process that has its task's state, unless the class sets `session_wait`.
SESSION_WAIT = 0.5


class ClassInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What the server needs to know about a model class, without importing it.

    `max_batch_size` is the maximum number of tasks in one call of `predict`; `max_wait` the seconds that a batch that
    is not full waits for more tasks; `concurrency` the concurrent calls of `predict` in one process. `promote_if` is
    the metric gate for new versions, `keep_versions` the number of versions kept (0: all). `train_every`,
    `quiet_period` and `min_annotations` decide when a training is due (`training.policy`). `code` identifies the
    imported code. `initial_version` names the version before any training, unless the class sets one with `self.set`.
    `has_params` tells whether the class declares parameters.
    `wants_drafts` tells whether the tasks of interactive requests keep their drafts, `prewarms` whether the class has
    a method `prewarm(task)`.
    `long_poll_events` are the events of a context that `predict` may answer seconds later; `session_wait` the seconds
    that a click waits for the process that has its task's state, while another one is free.
    """

    name: str
    generation: Generation
    train_events: tuple[str, ...]
    max_batch_size: int = MAX_BATCH
    max_wait: float = 0.0
    concurrency: int = 1
    promote_if: str = ""
    keep_versions: int = LabelStudioMLBase.keep_versions
    train_every: int = 1
    quiet_period: float = 0.0
    min_annotations: int = 0
    code: CodeIdentity = CodeIdentity()
    initial_version: str = INITIAL
    has_params: bool = False
    wants_drafts: bool = False
    prewarms: bool = False
    long_poll_events: tuple[str, ...] = LONG_POLL_EVENTS
    session_wait: float = SESSION_WAIT


class ModelSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments for building a model.

    `version` is the served version's name, empty before any training; `train_output` is what that version's `fit`
    returned. `state` are the project's key/value pairs for this model alone; None for the stored ones.
    """

    project: Project
    version: str = ""
    train_output: dict[str, Any] = {}
    state: dict[str, str] | None = None

    @classmethod
    def of(cls, project: Project, manifest: Manifest | None) -> "ModelSpec":
        """Return the spec of a committed version of `project`; of the untrained model if `manifest` is None."""
        if manifest is None:
            return cls(project=project)
        return cls(project=project, version=manifest.name, train_output=manifest.train_output)


def describe_class(cls: type[LabelStudioMLBase], threads: int | None = None) -> ClassInfo:
    """Return the ClassInfo of a class. `threads` is the `concurrency` of a synchronous class that sets none.

    Raises ModelFileError if an attribute of the class is wrong, `params` included.
    """
    has_params = declaration_of(cls) is not None
    concurrency = ASYNC_CONCURRENCY if is_async(cls) else threads or 1
    return ClassInfo(
        name=cls.__name__,
        generation=generation(cls),
        train_events=names(
            cls, "TRAIN_EVENTS", "of webhook actions", '["ANNOTATION_CREATED", "ANNOTATION_UPDATED"]'
        ),
        max_batch_size=limit(cls, "max_batch_size", MAX_BATCH, least=1),
        max_wait=limit(cls, "max_wait", 0.0, least=0, most=MAX_SECONDS),
        concurrency=limit(cls, "concurrency", concurrency, least=1, most=MAX_THREADS),
        promote_if=gate(cls),
        keep_versions=limit(cls, "keep_versions", LabelStudioMLBase.keep_versions, least=0),
        train_every=limit(cls, "train_every", 1, least=0),
        quiet_period=limit(cls, "quiet_period", 0.0, least=0, most=MAX_SECONDS),
        min_annotations=limit(cls, "min_annotations", 0, least=0),
        initial_version=initial_version(cls) or INITIAL,
        has_params=has_params,
        wants_drafts=wants_drafts(cls),
        prewarms=overrides_hook(cls, "prewarm"),
        long_poll_events=names(cls, "long_poll_events", "of events", '["track_progress"]'),
        session_wait=limit(cls, "session_wait", SESSION_WAIT, least=0, most=MAX_SECONDS),
    )


def is_async(cls: type[LabelStudioMLBase]) -> bool:
    """Tell whether the `predict` of the class is a coroutine function."""
    return inspect.iscoroutinefunction(cls.predict)


def build(
    cls: type[LabelStudioMLBase], spec: ModelSpec, settings: Settings, state: State, *, code: str = ""
) -> LabelStudioMLBase:
    """Build a model of `cls` for `spec`, passing the arguments that its constructor accepts.

    `state` holds the project's key/value pairs; `code` is the hash of the class's code, empty if it is not known.
    Raises ParamsError, before the constructor is called, if a parameter of the class has a wrong value, or if
    `init_kwargs` of the settings have one that the class does not declare. Raises
    ModelLoadError with the cause if the constructor fails or requires further arguments, NoLabelConfig if it fails
    while the project has no label config.
    """
    project = spec.project
    context = _context(spec, settings, state, code)
    offered: dict[str, Any] = {
        "project_id": project.project_id,
        "label_config": project.label_config or None,
        "train_output": dict(spec.train_output),
        "hostname": context.studio_url,
        "access_token": context.studio_token,
        "model_version": spec.version or None,
        **settings.init_kwargs,
    }
    try:
        with UserCode(), setup_request(cls, project):
            refuse_undeclared_arguments(cls, LabelStudioMLBase, settings.init_kwargs)
            declared = resolve(cls, context.extra_params, context.arguments)
            if declared is not None and declared.unknown:
                logger.warning("Project %s: %s", project.uid, declared.unknown)
            model = construct(cls, offered, context, project.extra_params)
    except ModelLoadError:
        raise
    except (Exception, SystemExit) as error:
        if missing := _missing_arguments(cls, error):
            raise ModelLoadError(
                f"{cls.__name__} cannot be built: its constructor requires {' and '.join(missing)}",
                fix=f"Give each a default value in __init__, or a value: --with {missing[0]}=VALUE",
                field=missing[0],
            ) from error
        if not parse_label_config(project.label_config):
            cause = error.message if isinstance(error, LabelConfigError) else reason(error)
            raise NoLabelConfig(
                f"Project {project.uid} has no label config yet, and {cls.__name__} needs one: {cause}",
                fix="Set it in Label Studio under Settings, Labeling Interface",
                field="label_config",
            ) from error
        raise ModelLoadError(
            f"{cls.__name__} cannot be built: {reason(error)}", field=str(settings.script or "")
        ) from error
    return model


def _missing_arguments(cls: type[LabelStudioMLBase], error: BaseException) -> list[str]:
    """Return the required arguments of the constructor whose lack is the error; empty if it is another error."""
    text = str(error)
    if not isinstance(error, TypeError) or not text.startswith(f"{cls.__init__.__qualname__}() missing "):
        return []
    return re.findall(r"'(\w+)'", text)


def construct(
    cls: type[LabelStudioMLBase], offered: Mapping[str, Any], context: ModelContext, extra_params: Any = None
) -> LabelStudioMLBase:
    """Return a model of `cls`, constructed with those of the `offered` arguments that it accepts, in `context`.

    `extra_params` are the backend's extra params as Label Studio sends them, for a class with the hook
    `set_extra_params`. Raises ModelLoadError if the class does not construct its base, and any error of user code.
    """
    accepted = accepted_arguments(cls.__init__, offered)
    with model_context(context):
        model = cls(**accepted)
        if not hasattr(model, "_context"):
            raise ModelLoadError(
                f"{cls.__name__}.__init__ does not call super().__init__(**kwargs)",
                fix="Call it first in __init__",
            )
        _fill(model, {name: value for name, value in offered.items() if name not in accepted})
        if extra_params and overrides_hook(cls, "set_extra_params"):
            model.set_extra_params(extra_params)
    return model


def _context(spec: ModelSpec, settings: Settings, state: State, code: str) -> ModelContext:
    """Return what a model that is being built gets from the backend."""
    project = spec.project
    url, token = studio_login(project, settings)
    return ModelContext(
        state=state,
        version=spec.version,
        files=FileAccess(
            studio_url=url,
            token=token,
            studio_private=studio_private(project, settings),
            cache_dir=settings.model_dir / "files",
            document_root=settings.document_root,
            verify_tls=settings.studio_verify_tls,
            rules=settings.files,
        ),
        studio_url=url,
        studio_token=token,
        extra_params=parse_extra_params(project.extra_params),
        arguments=settings.init_kwargs,
        values=ValueCache.in_backend(settings),
        code=code,
    )


def _fill(model: LabelStudioMLBase, missing: Mapping[str, Any]) -> None:
    """Set the attributes in `missing`, arguments that the constructor did not accept, where the model has none."""
    for name in ("project_id", "label_config", "train_output", "hostname", "access_token"):
        if name not in missing or getattr(model, name) or not missing[name]:
            continue
        setattr(model, name, missing[name])
        if name == "label_config" and overrides_hook(type(model), "use_label_config"):
            model.use_label_config(missing[name])


def accepted_arguments(function: Callable[..., Any], offered: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the `offered` keyword arguments that `function` accepts; all if it has `**kwargs`."""
    return _accepted(method_parameters(function), offered)


def _accepted(parameters: list[inspect.Parameter], offered: Mapping[str, Any]) -> dict[str, Any]:
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return dict(offered)
    names = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    return {name: value for name, value in offered.items() if name in names}


def version_name(model: LabelStudioMLBase, spec: ModelSpec) -> str:
    """Return the name under which `model` is served: the trained version's, else the class's own, else INITIAL."""
    if spec.version:
        return renamed(model) or spec.version
    return model.get("model_version") or initial_version(type(model)) or INITIAL


def renamed(model: LabelStudioMLBase) -> str:
    """Return the version name that the model's `predict` has set with `set("model_version", …)`, else empty text."""
    return model._context.renamed


def call_predict(model: LabelStudioMLBase, tasks: list[dict[str, Any]], params: Mapping[str, Any]) -> Any:
    """Call the model's `predict` with those of `params` that its signature accepts, and return its result."""
    function = getattr(model.predict, "__func__", None)
    parameters = method_parameters(model.predict) if function is None else _method_parameters(function)
    positional = {"self", *(parameter.name for parameter in parameters[:1])}
    keywords = {name: value for name, value in params.items() if name not in positional}
    keywords.setdefault("context", None)
    with UserCode():
        return _finished(model.predict(tasks, **_accepted(parameters, keywords)))


def call_prewarm(model: LabelStudioMLBase, task: dict[str, Any]) -> None:
    """Call the `prewarm` of the model's class for one task. Raises what it raises."""
    with UserCode():
        _finished(model.prewarm(task))  # type: ignore[attr-defined]


@functools.lru_cache(maxsize=64)
def _method_parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return a method's parameters without the first. Cached: reading a signature takes as long as a short call."""
    try:
        return list(inspect.signature(function).parameters.values())[1:]
    except (TypeError, ValueError):
        return method_parameters(function)


def fit_annotations(
    model: LabelStudioMLBase,
    annotations: Iterable[dict[str, Any]],
    *,
    event: str,
    data: Any,
    job_id: str,
    workdir: Path,
    job: Any = None,
) -> dict[str, Any]:
    """Call a seed-generation `fit` and return its dict, `{}` for None. Raises TypeError for any other result.

    `job` is the object that `fit` gets as its `job` argument.
    """
    offered = {"event": event, "data": data, "job": job, "job_id": job_id, "workdir": str(workdir)}
    with UserCode():
        returned = _finished(model.fit(annotations, **accepted_arguments(model.fit, offered)))
    if returned is None:
        return {}
    if not isinstance(returned, Mapping):
        raise TypeError(f"fit must return a dict, not {type(returned).__name__}")
    return dict(returned)


def fit_event(
    model: LabelStudioMLBase, event: str, data: Any, *, job_id: str, workdir: Path, job: Any = None
) -> Any:
    """Call an event-generation `fit` for one event and return its result. `job` is the argument of that name."""
    offered = {"job": job, "job_id": job_id, "workdir": str(workdir)}
    with UserCode():
        return _finished(model.fit(event, data, **accepted_arguments(model.fit, offered)))


def json_output(output: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the result of `fit` as plain JSON values. Raises FitError, naming the key, if JSON cannot hold a value."""
    values: dict[str, Any] = {}
    for key, value in output.items():
        try:
            values.update(msgspec.json.decode(msgspec.json.encode({str(key): value}, enc_hook=plain)))
        except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
            raise FitError(f"fit returned {key!r} with a value that JSON cannot hold: {error}") from None
    return values


def _finished(returned: Any) -> Any:
    """Return the result of a method; if it is awaitable, run it and return its result."""
    return finish(returned) if inspect.isawaitable(returned) else returned


def reason(error: BaseException) -> str:
    """Return an exception of user code as one line, with file and line of the innermost frame in the user's code."""
    try:
        text = " ".join(str(error).split()).encode("utf-8", "backslashreplace").decode()
    except Exception:  # noqa: BLE001 (an exception of user code may not even have a text)
        text = ""
    if isinstance(error, BackendError):
        return text
    line = f"{type(error).__name__}: {text}" if text else type(error).__name__
    frame = None
    walk = error.__traceback__
    while walk is not None:
        path = Path(walk.tb_frame.f_code.co_filename)
        if (
            not INSTALLED.intersection(path.parts)
            and not _FOREIGN.intersection(path.parents)
            and path.is_file()
        ):
            frame = (path.name, walk.tb_lineno)
        walk = walk.tb_next
    return f"{line} ({frame[0]}, line {frame[1]})" if frame else line
