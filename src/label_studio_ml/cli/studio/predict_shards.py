"""`label-studio-ml predict DIR --project ID --shards K`: let workers predict a project in K parts (shards)."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from label_studio_ml.cli.shared.model_arguments import print_note, started_source
from label_studio_ml.cli.shared.progress_display import shown
from label_studio_ml.cli.streams import say
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BrokerError
from label_studio_ml.support.texts import plural
from label_studio_ml.versions.factory import open_store
from label_studio_ml.versions.operations import find
from label_studio_ml.versions.state.project_state import Project

if TYPE_CHECKING:
    from label_studio_ml.projects.prediction_run import Report
    from label_studio_ml.projects.project_api import ProjectApi


async def predict_in_shards(
    args: argparse.Namespace,
    settings: Settings,
    api: "ProjectApi",
    project: Project,
    conditions: Sequence[dict[str, Any]],
) -> "Report":
    """Queue the shards as jobs, follow them to their end, and return the report. Raises BrokerError without a worker.

    `conditions` are Label Studio's filters for the tasks to predict.
    """
    from label_studio_ml.projects.jobs.shard_coordinator import ShardCoordinator
    from label_studio_ml.projects.jobs.shards import Shard
    from label_studio_ml.projects.pipeline import Progress
    from label_studio_ml.projects.prediction_run import Report
    from label_studio_ml.training.records.job_store_access import open_job_store
    from label_studio_ml.training.redis.queue_owner import Owner

    connection = await asyncio.to_thread(_broker, settings)
    try:
        job_store = await asyncio.to_thread(
            open_job_store, connection, settings, embedded=not settings.redis_url, claiming=False
        )
        coordinator = ShardCoordinator(job_store, api, project, settings.model_dir / "predict", print_note)
        workers = await asyncio.to_thread(coordinator.check_workers)
        version, version_id = await _version(args, settings, project)
        owner = job_store.owner or Owner("")
        whole_project = Shard(
            *(0, args.project, project.uid, version, version_id, 0, None, 0, list(conditions)),
            backend=owner.id,
            model_class=owner.model_class,
        )
        progress = Progress()
        run = await asyncio.to_thread(coordinator.begin, whole_project, args.shards)
        if run is None:
            progress.total = 0
            return Report(version, progress)
        summary = f"{plural(len(run.shards), 'shard')}, {plural(workers, 'worker')}"
        say(f"Version {version}, {summary}", file=sys.stderr, flush=True)
        async with shown(progress, f"Project {args.project}"):
            end_states = await coordinator.follow(run, progress)
        return await asyncio.to_thread(coordinator.finish, run, end_states, progress)
    finally:
        connection.close()


def _broker(settings: Settings) -> Any:
    """Return a connection to the Redis of the folder's workers. Raises BrokerError if none is configured or running."""
    from label_studio_ml.runtime.broker import running_url
    from label_studio_ml.training.redis.redis_client import connect

    url = settings.redis_url or running_url(settings.model_dir / "broker")
    if not url:
        raise BrokerError(
            "No worker is running that could predict",
            fix="Start one with: label-studio-ml start DIR, or set REDIS_URL to the workers', or leave out --shards",
        )
    return connect(url)


async def _version(args: argparse.Namespace, settings: Settings, project: Project) -> tuple[str, str]:
    """Return name and id of the version of `--version`, else of the served one; the untrained model's id is empty."""
    store = open_store(settings)
    manifest = find(store, project.uid, args.version) if args.version else store.served(project.uid)
    if manifest is not None:
        return manifest.name, manifest.id
    # Only the untrained model itself knows its version's name.
    async with started_source(args, settings, project) as model:
        return model.version, ""
