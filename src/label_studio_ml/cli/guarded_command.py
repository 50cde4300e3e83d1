"""Process of a command that a server has started: it has a guard, and reports its progress to the server.

Arguments: the descriptor of the guard's socket, the descriptor for reports of progress, and the command line of
`label-studio-ml`.
"""

import sys

from label_studio_ml.cli import main as command_line
from label_studio_ml.cli.shared.progress_display import report_to
from label_studio_ml.processes.guard import fork_guarded


def main() -> int:
    """Run the command and return its exit code. The guard ends it when the server is gone."""
    guard, reports, *arguments = sys.argv[1:]
    fork_guarded(int(guard), 0)
    report_to(int(reports))
    return command_line.main(arguments)
