"""`label-studio-ml worker DIR`: training workers that share Redis and the model folder with servers elsewhere."""

import argparse
import importlib
from dataclasses import replace

from label_studio_ml.cli.options import add_log_level, add_model_options, process_count, require_unix
from label_studio_ml.cli.run.writable import VERSIONS, require_writable
from label_studio_ml.cli.shared.backend_arguments import add_backend_arguments, require_redis, settings_from
from label_studio_ml.config.setting_values import MAX_PROCESSES
from label_studio_ml.user_code.installed_packages import check_training


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `worker`."""
    add_backend_arguments(parser)
    parser.add_argument(
        "--workers",
        type=process_count,
        metavar="N",
        help=f"how many train at the same time, at most {MAX_PROCESSES} (default: LABEL_STUDIO_ML_WORKERS, or 1)",
    )
    add_model_options(parser)
    add_log_level(parser)


def run(args: argparse.Namespace) -> int:
    """Run the workers until the process is stopped, and return the exit code.

    Raises SettingsError when REDIS_URL is not set or the model folder is not writable.
    """
    require_unix("worker")
    check_training()
    settings = settings_from(args)
    require_redis(settings, "worker")
    if args.workers:
        settings = replace(settings, workers=args.workers)
    require_writable(settings, folders=(VERSIONS,))
    worker_host = importlib.import_module("label_studio_ml.runtime.worker_host")
    code: int = worker_host.work(settings)
    return code
