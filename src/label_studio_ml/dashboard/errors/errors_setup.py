"""Make the view Errors, and what publishes the errors of a server, from the parts of a running server."""

import socket
from collections.abc import Callable

from label_studio_ml.config.settings import Settings
from label_studio_ml.dashboard.errors.errors_part import ErrorsPart
from label_studio_ml.dashboard.errors.server_log import ServerLog
from label_studio_ml.monitoring.counters import Counts
from label_studio_ml.reports.error_reporter import ErrorReporter
from label_studio_ml.training.intake.event_intake import RedisIntake
from label_studio_ml.training.records.run_log import Scrubber
from label_studio_ml.web.intake_interface import TrainingIntake
from label_studio_ml.web.project_registry import ProjectRegistry


def error_parts(
    settings: Settings,
    counts: Counts,
    projects: ProjectRegistry,
    intake: TrainingIntake,
    scrubber: Callable[[], Scrubber],
) -> tuple[ErrorReporter, ErrorsPart]:
    """Return what publishes the errors of this server, and the view that shows them with this server's log.

    `scrubber` returns what replaces the secrets that are known now.
    """
    job_store = intake.job_store if isinstance(intake, RedisIntake) else None
    reporter = ErrorReporter(counts.failures, job_store, lambda text: scrubber().text(text))
    log = ServerLog(settings.log_dir, scrubber)
    return reporter, ErrorsPart(reporter, projects, log, socket.gethostname())
