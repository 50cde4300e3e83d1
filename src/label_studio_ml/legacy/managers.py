"""The first generation's job managers, for existing code that calls them.

In that generation, a manager held the model and its jobs. Now an application does (`label_studio_ml.api.init_app`), and
LabelStudioMLManager forwards calls to the application created last. Calls without an equivalent raise Unsupported, with
the replacement in the message.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar, NoReturn

from label_studio_ml.errors import BackendError, Unsupported

#: Switches of the first generation, kept for code that reads them; they have no effect.
LABEL_STUDIO_ML_BACKEND_V2_DEFAULT = False
AUTO_UPDATE_DEFAULT = True


@dataclass
class ModelWrapper:
    """A model, the name of its version, and whether it is being trained."""

    model: Any
    model_version: Any
    is_training: bool = False


class _ModelElsewhere:
    """A placeholder for a model in another thread or process; accessing any attribute raises Unsupported."""

    def __getattr__(self, name: str) -> NoReturn:
        raise Unsupported(
            f"The model is in a thread or process of its own: its {name} is not available here",
            fix="Ask it with LabelStudioMLManager.predict, or build one by hand: MyModel(label_config=…)",
        )


class JobManager:
    """Base class of the former job managers. Raises Unsupported when constructed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise Unsupported(
            f"{type(self).__name__} does nothing in this release: each training is a job of the backend's own queue",
            fix="Leave it out; REDIS_URL names a Redis of your own, MODEL_DIR the folder for versions",
        )


class SimpleJobManager(JobManager):
    """Formerly trained in a forked process."""


class RQJobManager(JobManager):
    """Formerly trained through a queue in Redis."""


class LabelStudioMLManager:
    """The first generation's manager, which forwards calls to the application created last by `init_app`.

    All methods are class methods. They raise BackendError if the application responds with an error.
    """

    #: Set by `api`: functions that create an application, and that return the one created last.
    make_application: Callable[..., Any] | None = None
    application: Callable[[], Any] | None = None
    model_class: Any = None
    model_dir: Any = None
    init_kwargs: ClassVar[dict[str, Any]] = {}

    @classmethod
    def initialize(cls, model_class: type, **kwargs: Any) -> None:
        """Create the application that serves `model_class`; `kwargs` are passed to `init_app`."""
        if cls.make_application is None:
            raise Unsupported("There is no application", fix="from label_studio_ml.api import init_app")
        cls.make_application(model_class, **kwargs)

    @classmethod
    def get_initialization_params(cls) -> dict[str, Any]:
        """Return the arguments with which the application was created."""
        return {"model_class": cls.model_class, "model_dir": cls.model_dir, **cls.init_kwargs}

    @classmethod
    def predict(
        cls,
        tasks: list[dict[str, Any]],
        project: str | None = None,
        label_config: str | None = None,
        force_reload: bool = False,
        try_fetch: bool = True,
        **kwargs: Any,
    ) -> tuple[list[Any], ModelWrapper]:
        """Return the predictions for `tasks` and their ModelWrapper. `kwargs` are the request's params."""
        fields = {"tasks": tasks, "project": project, "label_config": label_config, "params": kwargs}
        results = cls._post("/predict", fields)["results"]
        version = next((result.get("model_version") for result in results if isinstance(result, dict)), None)
        return results, ModelWrapper(_ModelElsewhere(), version)

    @classmethod
    def fetch(
        cls,
        project: str | None = None,
        label_config: str | None = None,
        force_reload: bool = False,
        **kwargs: Any,
    ) -> ModelWrapper:
        """Load the project's model and return its ModelWrapper. `kwargs` may have `hostname` and `access_token`."""
        fields = {"project": project, "schema": label_config, **kwargs}
        return ModelWrapper(_ModelElsewhere(), cls._post("/setup", fields)["model_version"])

    @classmethod
    def get_or_create(
        cls,
        project: str | None = None,
        label_config: str | None = None,
        force_reload: bool = False,
        train_output: Any = None,
        version: str | None = None,
        **kwargs: Any,
    ) -> ModelWrapper:
        """Do the same as `fetch`; `train_output` and `version` are ignored in favour of the served version's."""
        return cls.fetch(project, label_config, force_reload, **kwargs)

    @classmethod
    def create(
        cls,
        project: str | None = None,
        label_config: str | None = None,
        train_output: Any = None,
        version: str | None = None,
        **kwargs: Any,
    ) -> ModelWrapper:
        """Do the same as `fetch`; `train_output` and `version` are ignored in favour of the served version's."""
        return cls.fetch(project, label_config, **kwargs)

    @classmethod
    def get(cls, project: str | None = None) -> ModelWrapper | None:
        """Return the model of a project that `fetch` has been called for; None on any error."""
        try:
            answer = cls._call("get", "/is_training", query_string={"project": project or ""})
        except BackendError:
            return None
        return ModelWrapper(_ModelElsewhere(), answer["model_version"], bool(answer["is_training"]))

    @classmethod
    def has_active_model(cls, project: str | None = None) -> bool:
        """Tell whether `fetch` has been called for a project."""
        return cls.get(project) is not None

    @classmethod
    def is_training(cls, project: str | None = None) -> dict[str, Any]:
        """Return `{"is_training": bool}` for a project, False if it is unknown."""
        wrapper = cls.get(project)
        return {"is_training": False} if wrapper is None else {"is_training": wrapper.is_training}

    @classmethod
    def train(
        cls,
        tasks: Iterable[dict[str, Any]],
        project: str | None = None,
        label_config: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Start a training on `tasks`; return an object whose `id` is the job's."""
        fields = {
            "annotations": list(tasks),
            "project": project,
            "label_config": label_config,
            "params": kwargs,
        }
        return SimpleNamespace(id=cls._post("/train", fields).get("job"))

    @classmethod
    def webhook(cls, event: str, data: dict[str, Any]) -> dict[str, Any]:
        """Submit an event; return `{"job_id": …}`, with None if it starts no training."""
        return {"job_id": cls._post("/webhook", {**data, "action": event}).get("job")}

    @classmethod
    def job_status(cls, job_id: str) -> dict[str, Any]:
        """Return the record of a training job."""
        return cls._post("/job_status", {"job": job_id})

    @classmethod
    def without_redis(cls) -> bool:
        """Return False: there is always a queue, by default on the embedded broker."""
        return False

    @classmethod
    def get_job_manager(cls) -> NoReturn:
        """Raise Unsupported: trainings are jobs of the backend's own queue."""
        raise Unsupported(
            "There is no job manager in this release: each training is a job of the backend's own queue",
            fix="Use LabelStudioMLManager.webhook or .train to start one, and .job_status to follow it",
        )

    @classmethod
    def _post(cls, path: str, fields: dict[str, Any]) -> dict[str, Any]:
        return cls._call(
            "post", path, json={name: value for name, value in fields.items() if value is not None}
        )

    @classmethod
    def _call(cls, method: str, path: str, **request: Any) -> dict[str, Any]:
        """Return the application's JSON response. Raises BackendError with its text if its status is 400 or more."""
        if cls.application is None:
            raise Unsupported(
                "There is no application to answer the call",
                fix="Make one first: from label_studio_ml.api import init_app; init_app(model_class=…)",
            )
        answer = getattr(cls.application().test_client(), method)(path, **request)
        if answer.status_code >= 400:
            raise BackendError(
                f"{path} was answered with {answer.status}: {answer.get_data(as_text=True)[:500]}"
            )
        return dict(answer.get_json())
