"""`label-studio-ml serve DIR`: the HTTP server and the model's processes, without broker and workers."""

import argparse

from label_studio_ml.cli.options import require_unix
from label_studio_ml.cli.run import backend_server
from label_studio_ml.cli.shared.backend_arguments import require_redis, settings_from

add_arguments = backend_server.add_arguments


def run(args: argparse.Namespace) -> int:
    """Serve until the process is stopped, and return the exit code; with `--check`, only build the model.

    Raises SettingsError when REDIS_URL is not set or a setting is wrong.
    """
    settings = settings_from(args)
    if not args.check:
        require_unix("serve")
        require_redis(settings, "serve")
    return backend_server.serve(args, settings, alone=True)
