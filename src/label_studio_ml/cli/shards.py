"""`label-studio-ml predict DIR --project N --shards K`: workers predict a project, each a part of it at a time."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from label_studio_ml.cli.asking import started, tell
from label_studio_ml.cli.progress import shown
from label_studio_ml.cli.streams import say
from label_studio_ml.errors import BrokerError
from label_studio_ml.settings import Settings
from label_studio_ml.texts import plural
from label_studio_ml.versions.hand import find
from label_studio_ml.versions.opening import open_store
from label_studio_ml.versions.state import Project

if TYPE_CHECKING:
    from label_studio_ml.projects.api import ProjectApi
    from label_studio_ml.projects.run import Report


async def spread(
    args: argparse.Namespace,
    settings: Settings,
    api: "ProjectApi",
    project: Project,
    conditions: Sequence[dict[str, Any]],
) -> "Report":
    """Hand the shards out and follow them to their end. Raises BrokerError if no worker is there."""
    from label_studio_ml.projects.pipeline import Progress
    from label_studio_ml.projects.run import Report
    from label_studio_ml.projects.shards import Shard
    from label_studio_ml.projects.spread import Spread
    from label_studio_ml.training.boards import open_board
    from label_studio_ml.training.owner import Owner

    connection = await asyncio.to_thread(_broker, settings)
    try:
        board = await asyncio.to_thread(
            open_board, connection, settings, embedded=not settings.redis_url, claiming=False
        )
        work = Spread(board, api, project, settings.model_dir / "predict", tell)
        workers = await asyncio.to_thread(work.check_workers)
        version, version_id = await _version(args, settings, project)
        owner = board.owner or Owner("")
        whole = Shard(
            *(0, args.project, project.uid, version, version_id, 0, None, 0, list(conditions)),
            backend=owner.id,
            model_class=owner.model_class,
        )
        progress = Progress()
        run = await asyncio.to_thread(work.begin, whole, args.shards)
        if run is None:
            progress.total = 0
            return Report(version, progress)
        told = f"{plural(len(run.shards), 'shard')}, {plural(workers, 'worker')}"
        say(f"Version {version}, {told}", file=sys.stderr, flush=True)
        async with shown(progress, f"Project {args.project}, version {version}"):
            ended = await work.follow(run, progress)
        return await asyncio.to_thread(work.finish, run, ended, progress)
    finally:
        connection.close()


def _broker(settings: Settings) -> Any:
    """Return a connection to the Redis that the workers of this folder use. Raises BrokerError if there is none."""
    from label_studio_ml.runtime.broker import running_url
    from label_studio_ml.training.jobs import connect

    url = settings.redis_url or running_url(settings.model_dir / "broker")
    if not url:
        raise BrokerError(
            "No worker is running that could predict",
            fix="Start one with: label-studio-ml start DIR, or set REDIS_URL to the workers', or leave out --shards",
        )
    return connect(url)


async def _version(args: argparse.Namespace, settings: Settings, project: Project) -> tuple[str, str]:
    """Return name and id of the version that is wanted, an empty id for a model without training."""
    store = open_store(settings)
    manifest = find(store, project.uid, args.version) if args.version else store.served(project.uid)
    if manifest is not None:
        return manifest.name, manifest.id
    asker = await started(args, settings, project)  # what it is called, only the model knows
    await asker.close()
    return asker.version, ""
