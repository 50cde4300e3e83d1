"""A run in MLflow, through `mlflow.MlflowClient` of the package `mlflow` or `mlflow-skinny`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from label_studio_ml.storage.private_files import make_folder
from label_studio_ml.trackers.credentials import without_login
from label_studio_ml.trackers.messages import RunDescription, RunLink, RunResult, Status
from label_studio_ml.trackers.tracked_run import Refused, metrics_of, whole_step

Item = TypeVar("Item")

#: Experiment of runs without TRACKER_EXPERIMENT and MLFLOW_EXPERIMENT_NAME.
DEFAULT_EXPERIMENT = "label-studio-ml"
#: The tag with the id of the job that a run is of.
JOB_TAG = "label_studio_ml.job"
#: The most metrics, and parameters or tags, that MLflow takes in one request, and the longest texts that it stores.
_METRICS_PER_CALL, _PARAMS_PER_CALL = 1000, 100
_MAX_NAME, _MAX_PARAM, _MAX_TAG = 250, 6000, 5000
#: Characters that MLflow does not allow in the name of a metric or parameter.
_NOT_IN_NAMES = re.compile(r"[^\w.\- /:]")
#: Error codes of requests that would be refused again.
_REFUSALS = frozenset({"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_ALREADY_EXISTS"})
_STATUSES: Mapping[Status, str] = {"finished": "FINISHED", "failed": "FAILED", "killed": "KILLED"}


def open_run(description: RunDescription) -> "MlflowRun":
    """Start the job's run in MLflow, or continue it if it has one. Raises the errors of MLflow."""
    from mlflow import MlflowClient

    client = MlflowClient()
    if _is_local(client.tracking_uri):
        make_folder(Path(description.log_dir) / "mlflow")
    experiment = _experiment(client, description)
    # There is one after an earlier try of the job, and after a request whose answer was lost.
    runs = client.search_runs([experiment], f"tags.`{JOB_TAG}` = '{description.job}'", max_results=1)
    if runs:
        client.update_run(runs[0].info.run_id, status="RUNNING")
        return MlflowRun(client, runs[0], description)
    tags = {name: text[:_MAX_TAG] for name, text in description.tags.items()}
    run = client.create_run(experiment, tags={**tags, JOB_TAG: description.job}, run_name=description.name)
    return MlflowRun(client, run, description)


def _experiment(client: Any, description: RunDescription) -> str:
    """Return the id of the experiment, which is created if there is none of its name."""
    from mlflow.environment_variables import MLFLOW_EXPERIMENT_NAME
    from mlflow.exceptions import MlflowException

    name = description.experiment or MLFLOW_EXPERIMENT_NAME.get() or DEFAULT_EXPERIMENT
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        # A database on this machine would have the files in `mlruns` below the current folder otherwise.
        local = Path(description.log_dir) / "mlflow" / "artifacts"
        try:
            return str(
                client.create_experiment(name, local.as_uri() if _is_local(client.tracking_uri) else None)
            )
        except MlflowException:  # another run has created it meanwhile
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                raise
    return str(experiment.experiment_id)


def _is_local(tracking_uri: str) -> bool:
    return tracking_uri.startswith("sqlite:")


class MlflowRun:
    """One run in MLflow."""

    stores_files = True

    def __init__(self, client: Any, run: Any, description: RunDescription) -> None:
        self._client = client
        self._id: str = run.info.run_id
        self._known_params: set[str] = set(run.data.params)
        self._point_count = 0
        uri = client.tracking_uri
        page = description.page or (without_login(uri) if uri.startswith("http") else "")
        path = f"/#/experiments/{run.info.experiment_id}/runs/{self._id}"
        self._link = RunLink(
            run=self._id,
            url=page.rstrip("/") + path if page else "",
            place="" if page else without_login(uri),
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
        """Store points of metrics. Points without a step are numbered."""
        from mlflow.entities import Metric

        metrics = []
        for number, point in enumerate(points, self._point_count):
            step = whole_step(point)
            milliseconds = round(datetime.fromisoformat(point["time"]).timestamp() * 1000)
            metrics += [
                Metric(_name(name), value, milliseconds, number if step is None else step)
                for name, value in metrics_of(point).items()
            ]
        for part in _parts(metrics, _METRICS_PER_CALL):
            self._call(self._client.log_batch, self._id, metrics=part)
        self._point_count += len(points)

    def log_folder(self, folder: Path, result: RunResult) -> None:
        """Store the files of the version's folder as artifacts below `version`."""
        self._client.log_artifacts(self._id, str(folder), "version")

    def finish(self, result: RunResult) -> None:
        """Store the status; the version and the error become tags."""
        tags = {"label_studio_ml.version": result.version, "label_studio_ml.message": result.message}
        for name, text in tags.items():
            if text:
                self._call(self._client.set_tag, self._id, name, text[:_MAX_TAG])
        self._client.set_terminated(self._id, _STATUSES[result.status])

    def _call(self, method: Any, *arguments: Any, **options: Any) -> None:
        """Call a method of the client. Raises Refused if MLflow would refuse it again."""
        from mlflow.exceptions import MlflowException

        try:
            method(*arguments, **options)
        except MlflowException as error:
            if error.error_code in _REFUSALS:
                raise Refused(error.message) from error
            raise


def _name(name: str) -> str:
    return _NOT_IN_NAMES.sub("_", name)[:_MAX_NAME] or "_"


def _parts(items: Sequence[Item], size: int) -> Iterator[list[Item]]:
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part
