"""A run in MLflow, through `mlflow.MlflowClient` of the package `mlflow` or `mlflow-skinny`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from label_studio_ml.storage.private_files import make_folder
from label_studio_ml.support.url_secrets import page_url
from label_studio_ml.trackers.messages import RunDescription, RunLink, RunResult, Status
from label_studio_ml.trackers.mlflow_tracker.local_artifacts import StoredRun, remove_old_files
from label_studio_ml.trackers.mlflow_tracker.mlflow_errors import not_mlflow, unavailable
from label_studio_ml.trackers.tracked_run import Refused, Unavailable, metrics_of, whole_step

Item = TypeVar("Item")

#: Experiment of runs without TRACKER_EXPERIMENT and MLFLOW_EXPERIMENT_NAME.
DEFAULT_EXPERIMENT = "label-studio-ml"
#: Tags of a run: the ids of its job and its project, the name of its version, and when the latest try of its job began.
JOB_TAG, PROJECT_TAG, VERSION_TAG, TRY_TAG = (
    "label_studio_ml.job",
    "label_studio_ml.project",
    "label_studio_ml.version",
    "label_studio_ml.try",
)
#: The most metrics, and parameters or tags, that MLflow takes in one request, and the longest texts that it stores.
_METRICS_PER_CALL, _PARAMS_PER_CALL = 1000, 100
#: The most runs whose files are looked after.
_RUNS_PER_SEARCH = 1000
_MAX_NAME, _MAX_PARAM, _MAX_TAG = 250, 6000, 5000
#: Characters that MLflow does not allow in the name of a metric or parameter.
_NOT_IN_NAMES = re.compile(r"[^\w.\- /:]")
#: Error codes of requests that would be refused again.
_REFUSALS = frozenset({"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_ALREADY_EXISTS"})
#: Statuses of answers that say nothing about the values: login, overload, and a proxy whose server is away.
_OUTAGES = frozenset({401, 403, 408, 429, 502, 503, 504})
_STATUSES: Mapping[Status, str] = {"finished": "FINISHED", "failed": "FAILED", "killed": "KILLED"}


def import_client() -> None:
    """Import MLflow's client."""
    from mlflow import MlflowClient  # noqa: F401


def open_run(description: RunDescription) -> "MlflowRun":
    """Start the job's run in MLflow, or continue it if it has one.

    Raises Unavailable if no MLflow answers, and the errors of MLflow.
    """
    from mlflow import MlflowClient, get_tracking_uri
    from mlflow.exceptions import MlflowException

    address = get_tracking_uri()
    try:
        return _open_run(MlflowClient(), description)
    except MlflowException as error:
        raise unavailable(error, address) or error from error


def _open_run(client: Any, description: RunDescription) -> "MlflowRun":
    """Start the job's run, or continue it. Raises the errors of MLflow, and Unavailable for another server's answer."""
    if _is_local(client.tracking_uri):
        make_folder(Path(description.log_dir) / "mlflow")
    experiment = _experiment(client, description)
    # There is one after an earlier try of the job, and after a request whose answer was lost.
    run = _oldest_run(client, experiment, description.job)
    if run is not None:
        _take_over(client, run, description)
        return MlflowRun(client, run, description)
    tags = {name: text[:_MAX_TAG] for name, text in description.tags.items()}
    created = client.create_run(
        experiment,
        tags={**tags, JOB_TAG: description.job, TRY_TAG: description.began},
        run_name=description.name,
    )
    if not created.info.run_id:
        raise not_mlflow(client.tracking_uri, "an empty run")
    run = _oldest_run(client, experiment, description.job) or created
    if run.info.run_id != created.info.run_id:  # the process of an earlier try has created one meanwhile
        client.delete_run(created.info.run_id)
        _take_over(client, run, description)
    return MlflowRun(client, run, description)


def _take_over(client: Any, run: Any, description: RunDescription) -> None:
    """Let a run of the job go on as that of this try, unless a later try has it already."""
    if _try_of(run) <= description.began:
        client.set_tag(run.info.run_id, TRY_TAG, description.began)
        client.update_run(run.info.run_id, status="RUNNING")


def _try_of(run: Any) -> str:
    """Return when the latest try of a run's job began, empty if its tags do not say."""
    return str(run.data.tags.get(TRY_TAG, ""))


def _oldest_run(client: Any, experiment: str, job: str) -> Any:
    """Return the run of a job, the oldest one if it has several; None if it has none."""
    return next(
        iter(
            client.search_runs(
                [experiment],
                f"tags.`{JOB_TAG}` = '{job}'",
                max_results=1,
                order_by=["attributes.start_time ASC", "attributes.run_id ASC"],
            )
        ),
        None,
    )


def _experiment(client: Any, description: RunDescription) -> str:
    """Return the id of the experiment, which is created if there is none of its name."""
    from mlflow.environment_variables import MLFLOW_EXPERIMENT_NAME
    from mlflow.exceptions import MlflowException

    name = description.experiment or MLFLOW_EXPERIMENT_NAME.get() or DEFAULT_EXPERIMENT
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        # A database on this machine would have the files in `mlruns` below the current folder otherwise.
        local = _artifact_folder(description).as_uri() if _is_local(client.tracking_uri) else None
        try:
            return str(client.create_experiment(name, local))
        except MlflowException:  # another run has created it meanwhile
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                raise
    if experiment.name != name or not experiment.experiment_id:
        raise not_mlflow(client.tracking_uri, "something else than the experiment that it was asked for")
    return str(experiment.experiment_id)


def _artifact_folder(description: RunDescription) -> Path:
    return Path(description.log_dir) / "mlflow" / "artifacts"


def _is_local(tracking_uri: str) -> bool:
    return tracking_uri.startswith("sqlite:")


class MlflowRun:
    """One run in MLflow."""

    stores_files = True

    def __init__(self, client: Any, run: Any, description: RunDescription) -> None:
        self._client = client
        self._experiment: str = run.info.experiment_id
        self._project = description.tags.get(PROJECT_TAG, "")
        self._local_folder = _artifact_folder(description) if _is_local(client.tracking_uri) else None
        self._id: str = run.info.run_id
        self._began = description.began
        self._known_params: set[str] = set(run.data.params)
        uri = client.tracking_uri
        page = description.page or (page_url(uri) if uri.startswith("http") else "")
        path = f"/#/experiments/{run.info.experiment_id}/runs/{self._id}"
        self._link = RunLink(
            run=self._id,
            url=page.rstrip("/") + path if page else "",
            place="" if page else page_url(uri),
        )

    @property
    def link(self) -> RunLink:
        """Where the run is."""
        return self._link

    def log_params(self, params: Mapping[str, str]) -> None:
        """Store parameters; MLflow allows no change of a parameter, so those that the run has are left out."""
        from mlflow.entities import Param

        named = {_name(name): text[:_MAX_PARAM] for name, text in params.items()}
        new = [Param(name, text) for name, text in named.items() if name not in self._known_params]
        for part in _parts(new, _PARAMS_PER_CALL):
            self._call(self._client.log_batch, self._id, params=part)
            self._known_params.update(param.key for param in part)

    def log_points(self, points: Sequence[Mapping[str, Any]]) -> None:
        """Store points of metrics."""
        from mlflow.entities import Metric

        metrics = []
        for point in points:
            milliseconds = round(datetime.fromisoformat(point["time"]).timestamp() * 1000)
            metrics += [
                Metric(_name(name), value, milliseconds, whole_step(point))
                for name, value in metrics_of(point).items()
            ]
        for part in _parts(metrics, _METRICS_PER_CALL):
            self._call(self._client.log_batch, self._id, metrics=part)

    def log_folder(self, folder: Path, result: RunResult) -> None:
        """Store the files of the version's folder as artifacts below `version`."""
        self._client.log_artifacts(self._id, str(folder), "version")

    def remove_old_files(self, result: RunResult) -> None:
        """Remove artifacts of the project's earlier runs in the backend's folder, as `local_artifacts` says."""
        if self._local_folder is not None and self._project and result.versions is not None:
            runs = self._client.search_runs(
                [self._experiment],
                f"tags.`{PROJECT_TAG}` = '{self._project}'",
                order_by=["attributes.start_time DESC"],
                max_results=_RUNS_PER_SEARCH,
            )
            stored = [StoredRun(run.info.artifact_uri, run.data.tags.get(VERSION_TAG, "")) for run in runs]
            remove_old_files(stored, result.versions, self._local_folder)

    def log_result(self, result: RunResult) -> None:
        """Store the status; the version and the error become tags.

        Nothing is stored if a later try of the job has the run: what the process of an earlier one sends late would
        show a running training as ended.
        """
        if _try_of(self._call(self._client.get_run, self._id)) > self._began:
            return
        self._call(self._client.set_terminated, self._id, _STATUSES[result.status])
        tags = {VERSION_TAG: result.version, "label_studio_ml.message": result.message}
        for name, text in tags.items():
            if text:
                self._call(self._client.set_tag, self._id, name, text[:_MAX_TAG])

    def close(self, result: RunResult) -> None:
        """Do nothing: the run has ended with `log_result`, and MLflow takes files after the end."""

    def _call(self, method: Any, *arguments: Any, **options: Any) -> Any:
        """Call a method of the client, and return its result.

        Raises Refused if MLflow would refuse it again, and Unavailable.
        """
        from mlflow.exceptions import MlflowException, RestException

        try:
            return method(*arguments, **options)
        except MlflowException as error:
            if (away := unavailable(error, self._client.tracking_uri)) is not None:
                raise away from error
            if error.error_code in _REFUSALS:
                raise Refused(error.message) from error
            # After repeated answers of 500, the client's error has only this text.
            is_answer = isinstance(error, RestException) or "too many 500 error" in error.message
            if not is_answer or error.get_http_status_code() in _OUTAGES:
                raise Unavailable(error.message) from error
            raise


def _name(name: str) -> str:
    """Return a name that MLflow takes: without characters that it refuses, and a path without `.`, `..` and `//`."""
    parts = _NOT_IN_NAMES.sub("_", name)[:_MAX_NAME].split("/")
    return "/".join("_" * len(part) if part in (".", "..") else part for part in parts if part) or "_"


def _parts(items: Sequence[Item], size: int) -> Iterator[list[Item]]:
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part
