"""A run in Weights & Biases, offline unless `WANDB_MODE` says otherwise."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from label_studio_ml.support.url_secrets import page_url
from label_studio_ml.trackers.messages import RunDescription, RunLink, RunResult
from label_studio_ml.trackers.tracked_run import metrics_of

#: Project of runs without TRACKER_EXPERIMENT and WANDB_PROJECT.
DEFAULT_PROJECT = "label-studio-ml"
#: Characters that are not allowed in the name of an artifact.
_NOT_IN_NAMES = re.compile(r"[^\w.-]")


def import_client() -> None:
    """Import wandb."""
    import wandb  # noqa: F401


def open_run(description: RunDescription) -> "WandbRun":
    """Start the job's run, or continue it if it has one. Raises the errors of wandb."""
    import wandb

    settings = wandb.Settings(console="off", silent=True, init_timeout=30, disable_git=True, save_code=False)
    project = settings.project or wandb.setup().settings.project
    run = wandb.init(
        project=description.experiment or project or DEFAULT_PROJECT,
        name=description.name,
        id=description.job,
        resume="allow",
        tags=[f"job:{description.job}"],
        config=dict(description.tags),
        settings=settings,
    )
    run.define_metric("*", step_metric="step")
    return WandbRun(run)


class WandbRun:
    """One run in Weights & Biases."""

    stores_files = True

    def __init__(self, run: Any) -> None:
        self._run = run

    @property
    def link(self) -> RunLink:
        """The run's page if it is online, else its folder, which `wandb sync` uploads."""
        url = page_url(self._run.url or "") if not self._run.offline else ""
        folder = Path(self._run.dir).parent
        return RunLink(run=self._run.id, url=url, place="" if url else str(folder))

    def log_params(self, params: Mapping[str, str]) -> None:
        """Store parameters in the run's config; those that it has keep their values."""
        config = self._run.config
        config.update({name: text for name, text in params.items() if name not in config})

    def log_points(self, points: Sequence[Mapping[str, Any]]) -> None:
        """Store points of metrics; the step is the metric `step`, the x axis of the others."""
        for point in points:
            metrics = metrics_of(point)
            if "step" in metrics:
                metrics["step_"] = metrics.pop("step")
            self._run.log({"step": point["step"], **metrics})

    def log_folder(self, folder: Path, result: RunResult) -> None:
        """Store the files of the version's folder as an artifact of the type `model`.

        W&B makes no copies of them: an offline run refers to the version's folder, where `wandb sync` reads them.
        """
        import wandb

        name = _NOT_IN_NAMES.sub("-", f"version-{result.version}")[:120]
        artifact = wandb.Artifact(name, type="model", metadata={"version": result.version})
        artifact.add_dir(str(folder), policy="immutable", skip_cache=True)
        self._run.log_artifact(artifact)

    def remove_old_files(self, result: RunResult) -> None:
        """Do nothing: an offline run has no copies of the version's files, and may be nowhere else than in its folder.

        The files in W&B are W&B's. docs/trackers.md says who deletes folders of runs.
        """

    def log_result(self, result: RunResult) -> None:
        """Store status, version and error in the summary."""
        rows = {"status": result.status, "version": result.version, "message": result.message}
        self._run.summary.update({name: text for name, text in rows.items() if text})

    def close(self, result: RunResult) -> None:
        """End the run, as failed unless it finished. W&B waits for the files, and shows the run as running so long."""
        self._run.finish(exit_code=0 if result.status == "finished" else 1)
