"""The class that users' models inherit from.

    from label_studio_ml.model import LabelStudioMLBase

    class MyModel(LabelStudioMLBase):
        def predict(self, tasks, **kwargs): ...
        def fit(self, annotations, **kwargs): ...

Two styles of model file run unchanged: the one above (`fit(annotations, **kwargs)` returns a dict that comes back as
`self.train_output`), and the later one (`predict(tasks, context, **kwargs)`, `fit(event, data, **kwargs)`, `setup`,
`get`/`set`). Nothing has to run for a model to be built and tried in a Python prompt.
"""

import importlib
import json
import logging
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from label_studio_ml import arguments, tools_alias
from label_studio_ml.context import current_context, is_lent, parse_extra_params
from label_studio_ml.errors import StudioError
from label_studio_ml.functions import functions
from label_studio_ml.functions import predict_fn as predict_fn
from label_studio_ml.functions import update_fn as update_fn
from label_studio_ml.generations import file_getter, initial_version, overrides_hook, positional_arguments
from label_studio_ml.labels import config_text, label_map, parse_label_config
from label_studio_ml.texts import whole_number
from label_studio_ml.versions.names import check_pair
from label_studio_ml.versions.state import StagedState

if TYPE_CHECKING:
    from label_studio_sdk.label_interface import LabelInterface

    from label_studio_ml.studio.files import FileAccess
    from label_studio_ml.studio.many import FetchedFile

logger = logging.getLogger(__name__)

tools_alias.install()  # below gunicorn and in a prompt, it is the user's code that imports this module

#: The events that start a training unless a class says otherwise.
TRAIN_EVENTS = (
    "ANNOTATION_CREATED",
    "ANNOTATION_UPDATED",
    "ANNOTATIONS_CREATED",
    "ANNOTATIONS_DELETED",
    "ANNOTATION_DELETED",
    "START_TRAINING",
)


class LabelStudioMLBase:
    """A model that serves predictions to Label Studio and learns from its annotations.

    Override `predict`, and `fit` if the model learns. Attributes that a backend fills in:

    - `parsed_label_config`: dict, control tag name to `{"type", "to_name", "inputs", "labels", "labels_attrs"}`.
    - `label_config`: the label config's XML.
    - `train_output`: the dict that the `fit` of the served version returned, with `job_id`; `{}` before any training.
    - `project_id`: the project's id as text. `hostname`, `access_token`: Label Studio's, as `/setup` brought them.
    - `model_version`: the served version's name.
    """

    #: Name of the version before any training, unless the class sets one.
    INITIAL_MODEL_VERSION = "0.0.1"
    #: The webhook actions that start a training. The "Start training" button always does.
    TRAIN_EVENTS: Iterable[str] = TRAIN_EVENTS
    #: Which new versions are served, such as `"accuracy >= current"`, of the metrics that `fit` returns; all if empty.
    promote_if: str = ""
    #: How many versions of a project stay on the disk, 0 for all.
    keep_versions: int = 10
    #: Seconds that a training may take, 0 for any time; `FIT_TIMEOUT` in the environment wins.
    fit_timeout: float = 0.0
    #: Seconds between asking a training to stop (`job.cancelled`) and ending it; `CANCEL_GRACE` wins.
    cancel_grace: float = 10.0

    def __init__(
        self,
        *args: Any,
        project_id: str | int | None = None,
        label_config: str | None = None,
        train_output: Mapping[str, Any] | None = None,
        hostname: str = "",
        access_token: str = "",
        model_version: str | None = None,
        **kwargs: Any,
    ) -> None:
        project_id, label_config, train_output = positional_arguments(
            args, project_id, label_config, train_output
        )
        self._context = current_context()
        self._label_interface: Any = None
        self._parsed_label_config: dict[str, Any] | None = None
        self._label_config = config_text(label_config)
        self._model_version = model_version or None
        self._extra_params: Any = self._context.extra_params
        self._in_setup = False
        self._label_studio_client: Any = None
        self.project_id = "" if project_id is None else str(project_id)
        self.train_output = arguments.dictionary("train_output", train_output, "the dict that fit returned")
        self.hostname = hostname or self._context.studio_url
        self.access_token = access_token or self._context.studio_token
        self.init_kwargs = kwargs
        if self._label_config and overrides_hook(type(self), "use_label_config"):
            self.use_label_config(self._label_config)
        self._in_setup = True
        try:
            self.setup()
        finally:
            self._in_setup = False

    # What users override

    def setup(self) -> None:
        """Prepare the model, at the end of its construction. Override it to load weights or set a model version."""

    def predict(
        self, tasks: list[dict[str, Any]], context: dict[str, Any] | None = None, **kwargs: Any
    ) -> Any:
        """Return one prediction per task, in the order of `tasks`.

        `tasks` are Label Studio's tasks (`task["data"]` holds what was imported). `context` is what an annotator has
        just drawn, in an interactive request, else None. A prediction is a dict `{"result": [regions], "score": float}`
        in Label Studio's format, or a list of such dicts.
        """
        if functions.predict is None:
            return None
        return functions.predict(tasks, context, helper=self, **kwargs)

    def fit(self, event: Any, data: Any = None, **kwargs: Any) -> Any:
        """Learn from annotations.

        Override it as `fit(self, annotations, **kwargs)`: `annotations` iterates over the project's labelled tasks, the
        dict that it returns comes back as `self.train_output` of the new version; parameters named `workdir` (a
        folder of the new version to write to), `event`, `data`, `job_id` and `job` are filled in. Or as
        `fit(self, event, data, **kwargs)`: called once per webhook event; `workdir`, `job_id` and `job` are filled in.
        `job` says how far the training is, records metrics and tells when to stop: see
        `label_studio_ml.training.job.TrainingJob`.
        """
        if functions.update is None:
            return None
        return functions.update(event, data, helper=self, **kwargs)

    def process_event(self, event: str, data: Any, job_id: str, additional_params: Mapping[str, Any]) -> Any:
        """Call `fit` for one event, if `TRAIN_EVENTS` has it."""
        if event in self.TRAIN_EVENTS:
            return self.fit(event, data, job_id=job_id, **additional_params)
        return None

    # The label config

    @property
    def label_config(self) -> str:
        """The label config's XML; empty if the project has none."""
        return self._label_config

    @label_config.setter
    def label_config(self, xml: str | None) -> None:
        self._label_config = config_text(xml)
        self._parsed_label_config = None
        self._label_interface = None

    @property
    def parsed_label_config(self) -> dict[str, Any]:
        """The label config as a dict; `{}` if the project has none. Raises LabelConfigError if it is not XML."""
        if self._parsed_label_config is None:
            self._parsed_label_config = parse_label_config(self._label_config)
        return self._parsed_label_config

    @parsed_label_config.setter
    def parsed_label_config(self, parsed: dict[str, Any]) -> None:
        self._parsed_label_config = parsed

    @property
    def label_interface(self) -> "LabelInterface":
        """The SDK's `LabelInterface` of the label config, made on first use."""
        if self._label_interface is None:
            from label_studio_sdk.label_interface import LabelInterface

            self._label_interface = LabelInterface(config=self._label_config or "<View/>")
        return self._label_interface

    @label_interface.setter
    def label_interface(self, interface: Any) -> None:
        self._label_interface = interface

    def use_label_config(self, label_config: str) -> None:
        """Make `label_config` (XML) the model's label config. Raises LabelConfigError if it is not well-formed.

        Where a class overrides it, its construction calls it before `setup`, if the project has a label config.
        """
        parsed = parse_label_config(label_config)
        self.label_config = label_config
        self._parsed_label_config = parsed

    def get_first_tag_occurence(
        self,
        control_type: str | tuple[str, ...],
        object_type: str | tuple[str, ...],
        name_filter: Callable[[str], bool] | None = None,
        to_name_filter: Callable[[str], bool] | None = None,
    ) -> tuple[str, str, str]:
        """Return `(from_name, to_name, value)` of the first control tag of `control_type` on an `object_type`.

        Raises ValueError if the label config has none.
        """
        found: tuple[str, str, str] = self.label_interface.get_first_tag_occurence(
            control_type, object_type, name_filter, to_name_filter
        )
        return found

    def build_label_map(self, tag_name: str, names: Sequence[str]) -> dict[str, str]:
        """Map the labels that a model knows to the labels of the control tag `tag_name`: see `labels.label_map`.

        Raises ValueError if the label config has no such tag, or `names` is not a list of texts.
        """
        return label_map(self.parsed_label_config, tag_name, names)

    # The project's key/value pairs

    def get(self, key: str) -> str | None:
        """Return the text stored under `key` for this project, or None. Raises ValueError if `key` is not text."""
        arguments.text("key", key)
        if key == "label_config":
            return self._label_config or None
        if key == "parsed_label_config":
            return json.dumps(self.parsed_label_config)
        if key == "model_version":
            return self._version_name()
        return self._context.state.get(key)

    def set(self, key: str, value: str) -> None:
        """Store the text `value` under `key` for this project.

        `set("model_version", …)` names the version: in the constructor and in `setup` the one before any training, in
        `fit` the new one, in `predict` the one that answers, from this answer on.
        Raises ValueError if `key` or `value` is not text.
        """
        check_pair(key, value)
        building = self._in_setup or is_lent(self._context)
        if key == "model_version" and building and self._context.version:
            logger.debug(
                "The constructor names version %r; the trained version %r stays", value, self._context.version
            )
            return
        self._context.state.set(key, value)
        if key == "model_version":
            self._model_version = None
            if not building and not isinstance(self._context.state, StagedState):
                self._context.renamed = value

    def has(self, key: str) -> bool:
        """Tell whether something is stored under `key` for this project."""
        return self.get(key) is not None

    def _version_name(self) -> str | None:
        """Return the name that this run's `fit` has set, else the one that answers now; None if nothing names one."""
        context = self._context
        set_by_fit = (
            context.state.changes.get("model_version") if isinstance(context.state, StagedState) else ""
        )
        name = set_by_fit or context.renamed or context.version or context.state.get("model_version")
        return name or initial_version(type(self)) or None

    @property
    def model_version(self) -> str | None:
        """The name of the version that this model is, as text; None if nothing names one."""
        return self._model_version or self.get("model_version")

    @model_version.setter
    def model_version(self, version: str | None) -> None:
        self._model_version = None if version is None else str(version)

    def bump_model_version(self) -> str:
        """Raise the second number of a version `X.Y.Z`, store the result as `model_version` and return it.

        Raises ValueError if the present version does not have that form.
        """
        present = self.get("model_version") or self.INITIAL_MODEL_VERSION
        parts = [number for part in present.split(".") if (number := whole_number(part)) is not None]
        if len(parts) != 3 or present.count(".") != 2:
            raise ValueError(
                f"Version {present!r} is not of the form X.Y.Z: name the next one with set('model_version', …)"
            )
        bumped = f"{parts[0]}.{parts[1] + 1}.0"
        self.set("model_version", bumped)
        return bumped

    @property
    def extra_params(self) -> Any:
        """The "extra params" of the backend in Label Studio, parsed; `{}` if there are none."""
        return {} if self._extra_params is None else self._extra_params

    @extra_params.setter
    def extra_params(self, params: Any) -> None:
        self.set_extra_params(params)

    def set_extra_params(self, extra_params: Any) -> None:
        """Replace the extra params: JSON text, or a value.

        Where a class overrides it, the backend calls it after the construction with what Label Studio's form holds, if
        that is not empty.
        """
        self._extra_params = parse_extra_params(extra_params)

    # Label Studio

    def get_local_path(
        self,
        url: str,
        project_dir: str | None = None,
        ls_host: str | None = None,
        ls_access_token: str | None = None,
        task_id: int | str | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> str:
        """Return the path of a local copy of the file that a task refers to by `url`, fetching it if need be.

        Uploads, local-files, cloud storage (name `task_id` for these), http(s) and data URLs are understood.
        Raises FileFetchError, naming the URL, the status and the setting to change.
        """
        files = self._files(ls_host, ls_access_token)
        return files.local_path(url, task_id=task_id, project_dir=project_dir)

    def fetch(self, tasks: Sequence[Mapping[str, Any]], key: str, *, workers: int = 8) -> "list[FetchedFile]":
        """Fetch the file that each task has under `key` in its data, `workers` at a time.

        Returns one `FetchedFile` for each task, in the order of `tasks`: with `task_id`, `url`, `path` and
        `error`. Each can be passed where a path can (`Image.open(file)`). A file that cannot be had does not
        stop the others: its `ok` is False, `error` names the task, the URL and the fix, and opening it raises
        that error. Raises ValueError if an argument is of the wrong kind.
        """
        from label_studio_ml.studio.many import fetch_all

        return fetch_all(self._files(), tasks, key, workers=workers)

    def preload_task_data(self, task: dict[str, Any], value: Any = None, read_file: bool = True) -> Any:
        """Return the task's data (or `value`) with every file it refers to fetched.

        With `read_file`, a reference is replaced by the file's text, else by its local path. The task is not changed.
        Each file is fetched with `get_local_path`, also where a class overrides it.
        """
        arguments.task("task", task)
        return self._files().preload(
            task.get("data", {}) if value is None else value,
            fetch=file_getter(self.get_local_path, task.get("id")),
            read_file=read_file,
        )

    def _files(self, host: str | None = None, token: str | None = None) -> "FileAccess":
        from label_studio_ml.studio.login import known_files
        from label_studio_ml.studio.references import same_origin

        files = self._context.files or known_files(self.hostname, self.access_token)
        if not host:
            return replace(files, token=token or files.token)
        # A token that was not given along goes only to the Label Studio it belongs to.
        return replace(
            files,
            studio_url=host,
            token=token or (files.token if same_origin(host, files.studio_url) else ""),
            studio_private=files.studio_private if same_origin(host, files.studio_url) else ("*",),
        )

    def _login(self) -> tuple[str, str]:
        """Return where Label Studio is and the token as it was configured, else as `/setup` brought it."""
        if self._context.files is not None:  # a backend has built this model, and knows both
            self._context.files.check_studio()
            return self._context.studio_url or self.hostname, self._context.studio_token or self.access_token
        from label_studio_ml.studio.login import known_login

        return known_login(self.hostname, self.access_token)

    def get_label_studio_access_token(self) -> str:
        """Return a token for Label Studio's API: the configured one, else the one that `/setup` brought.

        For a personal access token, that is a fresh access token made from it.
        """
        from label_studio_ml.studio.login import sendable_token

        return sendable_token(*self._login())

    def get_label_studio_client(self) -> Any:
        """Return the SDK's client for this Label Studio. Raises StudioError if no URL or token is known."""
        if not self._label_studio_client:
            url, token = self._login()
            if not url or not token:
                raise StudioError(
                    "Label Studio's URL or token is not known",
                    fix="Set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY",
                )
            self._label_studio_client = _sdk_client(base_url=url, api_key=token)
        return self._label_studio_client

    def _get_label_studio_client(self) -> Any:
        """Return the SDK's client, which looks for a token itself where none is known; False if it cannot be made."""
        if self._label_studio_client is None:
            url, token = self._login()
            try:
                self._label_studio_client = _sdk_client(base_url=url, **({"api_key": token} if token else {}))
            except Exception as error:  # noqa: BLE001 (whatever keeps the SDK from being used)
                logger.warning("There is no client for Label Studio: %s", error)
                self._label_studio_client = False
        return self._label_studio_client


def _sdk_client(**arguments: Any) -> Any:
    """Return the SDK's client of the class that this module has as `LabelStudio`: tests put another one there."""
    return getattr(sys.modules[__name__], "LabelStudio")(**arguments)  # noqa: B009


def get_all_classes_inherited_LabelStudioMLBase(script: str) -> list[str]:  # noqa: N802 (the older name)
    """Return the names of the model classes that the file `script` defines. Raises ModelFileError."""
    from label_studio_ml.classes import model_classes

    return model_classes(Path(script))


#: Names of the first generation's job handling.
_MANAGERS = (
    "AUTO_UPDATE_DEFAULT JobManager LABEL_STUDIO_ML_BACKEND_V2_DEFAULT LabelStudioMLManager ModelWrapper"
)
_MANAGERS += " RQJobManager SimpleJobManager"
#: Names that model files import from here and that are slow to import, or that few use: the module that has them.
_ELSEWHERE = {
    "ModelResponse": "label_studio_ml.response",
    "PredictionValue": "label_studio_ml.response",
    "LabelStudio": "label_studio_sdk",
    **dict.fromkeys(_MANAGERS.split(), "label_studio_ml.managers"),
}


def __getattr__(name: str) -> Any:
    """Import on first use what model files expect here. `CACHE` is the key/value file that the event generation had."""
    if name in _ELSEWHERE:
        return getattr(importlib.import_module(_ELSEWHERE[name]), name)
    if name == "CACHE":
        from label_studio_ml.cache import create_cache
        from label_studio_ml.settings import older_cache

        globals()["CACHE"] = cache = create_cache(*older_cache())
        return cache
    raise AttributeError(f"module 'label_studio_ml.model' has no attribute {name!r}")
