"""`label-studio-ml serve PROJECT`: the HTTP server and the model's processes, without broker and workers."""

import argparse

from label_studio_ml.cli.options import require_unix
from label_studio_ml.cli.run import start

add_arguments = start.add_arguments


def run(args: argparse.Namespace) -> int:
    """Serve until the process is stopped, and return the exit code; with `--check`, only build the model.

    Raises SettingsError when REDIS_URL is not set or a setting is wrong.
    """
    settings = start.settings_from(args)
    if not args.check:
        require_unix("serve")
        start.with_redis(settings, "serve")
    return start.serve(args, settings, alone=True)
