"""`label-studio-ml start DIR`: serve a backend's folder: HTTP server, model, broker and training worker."""

import argparse

from label_studio_ml.cli.run import backend_server
from label_studio_ml.cli.shared.backend_arguments import settings_from

add_arguments = backend_server.add_arguments


def run(args: argparse.Namespace) -> int:
    """Serve until the process is stopped, and return the exit code; with `--check`, only build the model."""
    return backend_server.serve(args, settings_from(args))
