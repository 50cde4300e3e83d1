"""The calls of Label Studio: requests, answers and errors."""

from typing import Any, Literal, NotRequired, TypedDict

from label_studio_ml import errors
from label_studio_ml.openapi.declarations.operation import HTML, Access, Answer, Body, Operation, more_fields

TAG = "Label Studio"

#: Errors of routes that build or ask a model.
MODEL_ERRORS = (errors.ModelError, errors.Overloaded, errors.DeadlineExceeded, errors.StoreError)
#: Errors of routes that hand in events.
EVENT_ERRORS = (errors.BrokerError, errors.FitError, errors.StoreError)


class HealthAnswer(TypedDict):
    """The server runs. `max_batch_size` is missing until the model class is imported."""

    status: Literal["UP"]
    model_class: str
    version: str
    max_batch_size: NotRequired[int]


class SetupBody(TypedDict):
    """A project's description. `schema` is its label config, `extra_params` the form's text or any JSON value.

    `hostname` and `access_token` are the address of Label Studio and a token for it; settings of the backend may
    overrule them. `label_config` is an older name of `schema`.
    """

    project: str | int
    schema: NotRequired[str | None]
    label_config: NotRequired[str | None]
    hostname: NotRequired[str | None]
    access_token: NotRequired[str | None]
    extra_params: NotRequired[Any]


class SetupAnswer(TypedDict):
    """The version that is served. Label Studio asks for new predictions if it differs from that of stored ones."""

    model_version: str


class PredictParams(TypedDict):
    """Parameters of a request. One with a `context` is interactive: its tasks are those of an open page."""

    context: NotRequired[dict[str, Any] | None]
    login: NotRequired[str | None]
    password: NotRequired[str | None]


class PredictBody(TypedDict):
    """Tasks to predict: any JSON objects, in Label Studio's format."""

    tasks: list[dict[str, Any]]
    project: NotRequired[str | int | None]
    label_config: NotRequired[str | None]
    params: NotRequired[PredictParams | None]


@more_fields
class Prediction(TypedDict):
    """A prediction of one task with what else the model returned, or why there is none.

    `result` has regions in Label Studio's format; `score` is null only if the model returned no finite number.
    `error` says why the task has no prediction: then there is no `result`, and Label Studio asks again later.
    `superseded`: the request was dropped, because a later one of the same task came meanwhile.
    """

    model_version: str
    result: NotRequired[list[Any]]
    score: NotRequired[float | None]
    error: NotRequired[str]
    superseded: NotRequired[bool]


class PredictAnswer(TypedDict):
    """One entry for each task, in the order of the request; a list if the model returned several predictions for it.

    Empty if `predict` returned nothing at all.
    """

    results: list[Prediction | list[Prediction]]


@more_fields
class EventProject(TypedDict):
    """The project of an event. Its uid is made from `id` and `created_at`."""

    id: int | str
    created_at: NotRequired[str | None]
    title: NotRequired[str | None]
    label_config: NotRequired[str | None]


class EventBody(TypedDict):
    """A webhook event: `action` and what belongs to it, such as `task` and `annotation`.

    Of an event without the login only ids are read.
    """

    action: str
    project: NotRequired[EventProject | None]


class JobStarted(TypedDict):
    """A training was asked for: `job` is its id. `kept`: the event waits on this server's disk, and there is no job."""

    status: Literal["ok", "kept"]
    job: str | None
    detail: NotRequired[str]


class NothingStarted(TypedDict):
    """The event is used, but starts no training."""

    status: Literal["ok", "ignored"]
    detail: str


class EventAccepted(TypedDict):
    """The event came without the login: it is used if its project has called `/setup` with the login."""

    status: Literal["accepted"]
    job: None
    detail: str


class TrainBody(TypedDict):
    """Tasks with their annotations, as Label Studio before 1.4.1 sent them."""

    project: str | int
    annotations: NotRequired[list[dict[str, Any]] | None]
    label_config: NotRequired[str | None]


class ValidateBody(TypedDict):
    """A label config."""

    config: str


class DuplicateBody(TypedDict):
    """The project whose versions are copied, and the one that gets them."""

    project_src: str | int
    project_dst: str | int


class ProjectBody(TypedDict):
    """A project, by uid or plain id."""

    project: str | int


class Done(TypedDict):
    """It is done."""

    status: Literal["ok"]


class DuplicateAnswer(TypedDict):
    """It is done: the version that the other project is served now, null if none was copied."""

    status: Literal["ok"]
    model_version: str | None


ROOT = Operation(
    method="GET",
    path="/",
    tag=TAG,
    summary="Show that the server runs",
    description="As `/health`. A browser, which accepts HTML, gets the dashboard's page, which needs no login.",
    answers={
        200: Answer("The server runs, or the dashboard's page", HealthAnswer, further=(HTML,)),
        304: Answer("The client has the page already", content=""),
    },
)
HEALTH = Operation(
    method="GET",
    path="/health",
    tag=TAG,
    summary="Show that the server runs",
    description="It is answered whatever the model does; `/readyz` tells whether predictions can be made.",
    answers={
        200: Answer(
            "The server runs",
            HealthAnswer,
            example={"status": "UP", "model_class": "MyModel", "version": "3.0.0", "max_batch_size": 8},
        )
    },
)
SETUP = Operation(
    method="POST",
    path="/setup",
    tag=TAG,
    summary="Describe a project",
    description="Label Studio calls it before it asks for predictions. Answers within 3 s, while the model is built.",
    body=Body(SetupBody, ("setup",)),
    answers={200: Answer("The served version", SetupAnswer, example={"model_version": "INITIAL"})},
    errors=(*MODEL_ERRORS, errors.LabelConfigError, errors.ParamsError),
)
PREDICT = Operation(
    method="POST",
    path="/predict",
    tag=TAG,
    summary="Predict tasks",
    body=Body(PredictBody, ("predict", "predict_interactive")),
    answers={
        200: Answer(
            "Predictions",
            PredictAnswer,
            example={
                "results": [
                    {
                        "result": [
                            {
                                "from_name": "choice",
                                "to_name": "image",
                                "type": "choices",
                                "value": {"choices": ["Boeing"]},
                            }
                        ],
                        "score": 0.25,
                        "model_version": "INITIAL",
                    }
                ]
            },
        )
    },
    errors=(
        *MODEL_ERRORS,
        errors.LabelConfigError,
        errors.NoLabelConfig,
        errors.ParamsError,
        errors.PredictError,
        errors.ModelProcessDied,
    ),
)
WEBHOOK = Operation(
    method="POST",
    path="/webhook",
    tag=TAG,
    summary="Hand in an event",
    description="Label Studio's own webhooks carry no login. START_TRAINING needs it.",
    body=Body(
        EventBody,
        (
            "annotation_created",
            "annotation_skipped",
            "annotation_updated",
            "annotations_deleted",
            "tasks_created",
            "tasks_deleted",
            "project_updated",
            "start_training",
        ),
    ),
    answers={
        200: Answer("The event starts no training", NothingStarted),
        201: Answer("A training", JobStarted, example={"status": "ok", "job": "20261123-141530-9f3a2c"}),
        202: Answer("The event came without the login", EventAccepted),
    },
    errors=(*EVENT_ERRORS, errors.NotAuthorized, errors.LabelConfigError),
    access=Access.PARTLY,
)
TRAIN = Operation(
    method="POST",
    path="/train",
    tag=TAG,
    summary="Train on labelled tasks",
    description="As Label Studio did before 1.4.1; later releases send START_TRAINING to `/webhook`.",
    body=Body(TrainBody, ("train",)),
    answers={
        201: Answer("A training", JobStarted, example={"status": "ok", "job": "20261123-141530-9f3a2c"})
    },
    errors=(*EVENT_ERRORS, errors.LabelConfigError),
)
VALIDATE = Operation(
    method="POST",
    path="/validate",
    tag=TAG,
    summary="Check a label config",
    body=Body(ValidateBody),
    answers={200: Answer("The label config can be used", Done)},
    errors=(errors.LabelConfigError,),
    viewer=True,
)
DUPLICATE = Operation(
    method="POST",
    path="/duplicate_model",
    tag=TAG,
    summary="Copy a project's versions to another project",
    body=Body(DuplicateBody),
    answers={200: Answer("It is done", DuplicateAnswer)},
    errors=(errors.UnknownProject, errors.VersionError, errors.StoreError, errors.DecisionError),
)
DELETE = Operation(
    method="POST",
    path="/delete",
    tag=TAG,
    summary="Forget a project with its events, jobs and versions",
    body=Body(ProjectBody),
    answers={200: Answer("It is done", Done)},
    errors=(errors.UnknownProject, errors.ProjectBusy, errors.BrokerError, errors.StoreError),
)
