"""LabelStudioMLBase, the base class of users' models.

    from label_studio_ml.model import LabelStudioMLBase

    class MyModel(LabelStudioMLBase):
        def predict(self, tasks, **kwargs): ...
        def fit(self, annotations, **kwargs): ...

Two styles of model files run unchanged: the one above (seed generation), whose `fit` returns a dict that is available
as `self.train_output` later, and the later one (event generation) with `predict(tasks, context, **kwargs)`,
`fit(event, data, **kwargs)`, `setup`, `get` and `set`. A model can be built and called without a running backend.
"""

import json
import logging
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from label_studio_ml.import_paths import late_jsf, tools_alias
from label_studio_ml.inputs.model_input import inputs
from label_studio_ml.model_api.api_generation import (
    file_getter,
    initial_version,
    overrides_hook,
    positional_arguments,
)
from label_studio_ml.model_api.computed.once import once
from label_studio_ml.model_api.model_context import current_context, is_being_built, parse_extra_params
from label_studio_ml.model_api.older_names import older_name
from label_studio_ml.model_api.registered_functions import functions
from label_studio_ml.model_api.registered_functions import predict_fn as predict_fn
from label_studio_ml.model_api.registered_functions import update_fn as update_fn
from label_studio_ml.model_api.studio_access import StudioAccess
from label_studio_ml.model_api.version_names import next_minor
from label_studio_ml.params.class_params import resolve
from label_studio_ml.protocol.label_config import config_text, label_map, parse_label_config
from label_studio_ml.protocol.webhook_actions import DEFAULT_TRAIN_EVENTS
from label_studio_ml.support import arguments
from label_studio_ml.versions.store.names import check_pair

if TYPE_CHECKING:
    from label_studio_sdk.label_interface import LabelInterface

    from label_studio_ml.controls import Controls
    from label_studio_ml.studio.files.fetch import FileAccess
    from label_studio_ml.studio.files.parallel import FetchedFile

logger = logging.getLogger(__name__)  # model files import it

# below gunicorn and in a Python prompt, this module is imported first by the user's code
tools_alias.install()
late_jsf.install()

#: The webhook actions that start a training unless a class sets other ones.
TRAIN_EVENTS = DEFAULT_TRAIN_EVENTS


class LabelStudioMLBase:
    """A model that predicts for Label Studio and learns from its annotations.

    Override `predict`, and `fit` if the model learns. Attributes set by the backend:

    - `parsed_label_config`: dict, control tag name to `{"type", "to_name", "inputs", "labels", "labels_attrs"}`.
    - `label_config`: the label config's XML.
    - `train_output`: the dict returned by the `fit` of the served version, plus `job_id`; `{}` before any training.
    - `project_id`: the project's id as text. `hostname`, `access_token`: Label Studio's URL and token, from `/setup`.
    - `model_version`: the served version's name.
    """

    #: The class's parameters, a dict of `label_studio_ml.params.Param` or a pydantic model class; in a model, their
    #: values, such as `self.params.threshold`. Any other `params` of a class is left alone.
    params: ClassVar[Any]
    #: Name of the version before any training, unless the class sets another one.
    INITIAL_MODEL_VERSION = "0.0.1"
    #: The webhook actions that start a training. The "Start training" button starts one in any case.
    TRAIN_EVENTS: Iterable[str] = TRAIN_EVENTS
    #: Whether tasks of interactive requests keep their drafts; None: if the word is in the code of the class.
    wants_drafts: bool | None = None
    #: Condition for serving a new version, on metrics that `fit` returns, such as `"accuracy >= current"`; empty: none.
    promote_if: str = ""
    #: How many versions of a project are kept on the disk, 0 for all.
    keep_versions: int = 10
    #: Events of a `context` that `predict` may answer seconds later: they run in threads beside the other calls.
    long_poll_events: Iterable[str] = ("track_progress",)
    #: Seconds that a click waits for the model process that has its task's state, while another process is free.
    session_wait: float = 0.5
    #: Seconds that a training may take, 0 for no limit; the setting `FIT_TIMEOUT` takes precedence.
    fit_timeout: float = 0.0
    #: Seconds between asking a training to stop (`job.cancelled`) and SIGTERM; `CANCEL_GRACE` takes precedence.
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
        if declared := resolve(type(self), self._extra_params, {**self._context.arguments, **kwargs}):
            self.params = declared.values  # type: ignore[misc]
        if self._label_config and overrides_hook(type(self), "use_label_config"):
            self.use_label_config(self._label_config)
        self._in_setup = True
        try:
            self.setup()
        finally:
            self._in_setup = False

    # Methods to override

    def setup(self) -> None:
        """Prepare the model; called at the end of construction. Override it to load weights or set a version name."""

    def predict(
        self, tasks: list[dict[str, Any]], context: dict[str, Any] | None = None, **kwargs: Any
    ) -> Any:
        """Return one prediction per task, in the order of `tasks`.

        `tasks` are Label Studio tasks (`task["data"]` holds the imported data). `context` is what an annotator has just
        drawn, in an interactive request, else None. A prediction is a dict `{"result": [regions], "score": float}` in
        Label Studio's format, or a list of such dicts.
        """
        if functions.predict is None:
            return None
        return functions.predict(tasks, context, helper=self, **kwargs)

    def fit(self, event: Any, data: Any = None, **kwargs: Any) -> Any:
        """Train the model.

        Override it as `fit(self, annotations, **kwargs)`: `annotations` iterates over the project's labelled tasks, and
        the returned dict becomes `self.train_output` of the new version. The backend passes those of the arguments
        `workdir` (a folder of the new version to write to), `event`, `data`, `job_id` and `job` that it declares. Or
        override it as `fit(self, event, data, **kwargs)`, which is called once per webhook event and may declare
        `workdir`, `job_id` and `job`. `job` reports progress, records metrics and tells when to stop: see
        `label_studio_ml.training.job.TrainingJob`.
        """
        if functions.update is None:
            return None
        return functions.update(event, data, helper=self, **kwargs)

    def process_event(self, event: str, data: Any, job_id: str, additional_params: Mapping[str, Any]) -> Any:
        """Call `fit` for one event and return its result; do nothing for an event not in `TRAIN_EVENTS`."""
        return (
            self.fit(event, data, job_id=job_id, **additional_params) if event in self.TRAIN_EVENTS else None
        )

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
        """The label config as a dict; `{}` if the project has none. Raises LabelConfigError if it is invalid."""
        if self._parsed_label_config is None:
            self._parsed_label_config = parse_label_config(self._label_config)
        return self._parsed_label_config

    @parsed_label_config.setter
    def parsed_label_config(self, parsed: dict[str, Any]) -> None:
        self._parsed_label_config = parsed

    @property
    def controls(self) -> "Controls":
        """The controls of the label config, as objects; empty if the project has none. Raises LabelConfigError."""
        from label_studio_ml.controls import controls_of

        return controls_of(self._label_config)

    @property
    def label_interface(self) -> "LabelInterface":
        """The SDK's `LabelInterface` of the label config, created on first use."""
        if self._label_interface is None:
            from label_studio_sdk.label_interface import LabelInterface

            self._label_interface = LabelInterface(config=self._label_config or "<View/>")
        return self._label_interface

    @label_interface.setter
    def label_interface(self, interface: Any) -> None:
        self._label_interface = interface

    def use_label_config(self, label_config: str) -> None:
        """Make `label_config` (XML) the model's label config. Raises LabelConfigError if it is not well-formed.

        An override in a class is called during construction, before `setup`, if the project has a label config.
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
        names: tuple[str, str, str] = self.label_interface.get_first_tag_occurence(
            control_type, object_type, name_filter, to_name_filter
        )
        return names

    def build_label_map(self, tag_name: str, names: Sequence[str]) -> dict[str, str]:
        """Map the labels of a model, `names`, to those of the control tag `tag_name`: see `label_config.label_map`.

        Raises ValueError if the label config has no such tag, or `names` is not a list of texts.
        """
        return label_map(self.parsed_label_config, tag_name, names)

    # The project's key/value pairs

    def get(self, key: str) -> str | None:
        """Return the text stored under `key` for this project, else None. Raises ValueError if `key` is not a str."""
        arguments.text("key", key)
        if key == "label_config":
            return self._label_config or None
        if key == "parsed_label_config":
            return json.dumps(self.parsed_label_config)
        if key == "model_version":
            return self._context.version_name() or initial_version(type(self)) or None
        return self._context.state.get(key)

    def set(self, key: str, value: str) -> None:
        """Store the text `value` under `key` for this project.

        `set("model_version", …)` names a version: in the constructor and in `setup` the one before any training, in
        `fit` the new one, in `predict` the served one, from the present response on.
        Raises ValueError if `key` or `value` is not a str.
        """
        check_pair(key, value)
        if key != "model_version":
            self._context.state.set(key, value)
        elif self._context.set_version_name(value, building=self._in_setup or is_being_built(self._context)):
            self._model_version = None

    def has(self, key: str) -> bool:
        """Tell whether a value is stored under `key` for this project."""
        return self.get(key) is not None

    @property
    def model_version(self) -> str | None:
        """The name of this model's version; None if it has none."""
        return self._model_version or self.get("model_version")

    @model_version.setter
    def model_version(self, version: str | None) -> None:
        self._model_version = None if version is None else str(version)

    def bump_model_version(self) -> str:
        """Increment the second number of a version name `X.Y.Z`, store the result as `model_version` and return it.

        Raises ValueError if the present version name does not have that form.
        """
        bumped = next_minor(self.get("model_version") or self.INITIAL_MODEL_VERSION)
        self.set("model_version", bumped)
        return bumped

    @property
    def extra_params(self) -> Any:
        """The parsed "extra params" of the backend in Label Studio; `{}` if there are none."""
        return {} if self._extra_params is None else self._extra_params

    @extra_params.setter
    def extra_params(self, params: Any) -> None:
        self.set_extra_params(params)

    def set_extra_params(self, extra_params: Any) -> None:
        """Replace the extra params by a value, or by the value of JSON text.

        An override in a class is called after construction with the content of Label Studio's form, unless that is
        empty.
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
        """Return the path of a local copy of the file that a task refers to by `url`; fetch the file if necessary.

        Supports uploads, local-files, cloud storage (which needs `task_id`), http(s) and data URLs.
        Raises FileFetchError, naming the URL, the status and the setting to change.
        """
        return self._files(ls_host, ls_access_token).local_path(url, task_id=task_id, project_dir=project_dir)

    def fetch(self, tasks: Sequence[Mapping[str, Any]], key: str, *, workers: int = 8) -> "list[FetchedFile]":
        """Fetch the file that each task refers to under `key` in its data, `workers` at a time.

        Returns one `FetchedFile` per task, in the order of `tasks`, with `task_id`, `url`, `path` and `error`. It can
        be used in place of a path (`Image.open(file)`). A failure does not stop the other fetches: that file's `ok` is
        False, its `error` names the task, the URL and the fix, and opening it raises the error. Raises ValueError if an
        argument has the wrong type.
        """
        from label_studio_ml.studio.files.parallel import fetch_all

        return fetch_all(self._files(), tasks, key, workers=workers)

    def preload_task_data(self, task: dict[str, Any], value: Any = None, read_file: bool = True) -> Any:
        """Return the task's data (or `value`) with all files that it refers to fetched.

        With `read_file`, a reference is replaced by the file's text, else by its local path. `task` is not modified.
        Each file is fetched with `get_local_path`, including an override.
        """
        arguments.task("task", task)
        return self._files().preload(
            task.get("data", {}) if value is None else value,
            fetch=file_getter(self.get_local_path, task.get("id")),
            read_file=read_file,
        )

    #: Compute a value once for each content of a task's file, such as an embedding: see `model_api.computed.once`.
    once = once
    #: What a control labels in each task, for predictions as for training: see `inputs.model_input`.
    inputs = inputs

    def _files(self, host: str | None = None, token: str | None = None) -> "FileAccess":
        return self._studio().files(host, token)

    def _studio(self) -> StudioAccess:
        return StudioAccess(self._context, self.hostname, self.access_token)

    def get_label_studio_access_token(self) -> str:
        """Return a token for Label Studio's API: the configured one, else the one from `/setup`.

        In place of a personal access token, a fresh access token created with it is returned.
        """
        from label_studio_ml.studio.login import sendable_token

        return sendable_token(*self._studio().login())

    def get_label_studio_client(self) -> Any:
        """Return the SDK's client for Label Studio. Raises StudioError if no URL or token is known."""
        self._label_studio_client = self._label_studio_client or self._studio().client(_sdk_client)
        return self._label_studio_client

    def _get_label_studio_client(self) -> Any:
        """Return the SDK's client, which searches for a token itself if none is known; False if creating it fails."""
        if self._label_studio_client is None:
            self._label_studio_client = self._studio().client_if_possible(_sdk_client)
        return self._label_studio_client


def _sdk_client(**arguments: Any) -> Any:
    """Return a client from this module's attribute `LabelStudio`, which tests replace."""
    return getattr(sys.modules[__name__], "LabelStudio")(**arguments)  # noqa: B009


def __getattr__(name: str) -> Any:
    """Return a name of an older release. `CACHE`, the key/value file of the event generation, is created once."""
    value = older_name(name)
    if name == "CACHE":
        globals()[name] = value
    return value
