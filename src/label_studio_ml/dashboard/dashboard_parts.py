"""Build the dashboard of a server: one part for each view, with what it reads."""

from label_studio_ml.config.settings import Settings
from label_studio_ml.dashboard.commands.command_runs import CommandRuns
from label_studio_ml.dashboard.commands.commands_part import CommandsPart
from label_studio_ml.dashboard.dashboard_app import Dashboard
from label_studio_ml.dashboard.errors.errors_setup import error_parts
from label_studio_ml.dashboard.trainings.trainings_part import TrainingsPart
from label_studio_ml.dashboard.value.value_part import ValuePart
from label_studio_ml.dashboard.versions.versions_part import VersionsPart
from label_studio_ml.reports.command_records import MemoryCommandRecords, RedisCommandRecords
from label_studio_ml.reports.value_reports import ValueReports
from label_studio_ml.serving.prediction_service import PredictionService
from label_studio_ml.training.intake.event_intake import RedisIntake
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.web.intake_interface import TrainingIntake
from label_studio_ml.web.project_registry import ProjectRegistry
from label_studio_ml.web.routes.endpoints import Endpoints


def build_dashboard(
    settings: Settings,
    endpoints: Endpoints,
    pool: PredictionService,
    *,
    store: VersionStore,
    projects: ProjectRegistry,
    intake: TrainingIntake,
    streams: bool,
) -> Dashboard:
    """Return the dashboard. `streams`: whether the HTTP server can send events.

    Without Redis, as in tests of users' models, this server's memory has what servers report of themselves.
    """
    registry = pool.registry
    redis_intake = intake if isinstance(intake, RedisIntake) else None
    records = MemoryCommandRecords() if redis_intake is None else RedisCommandRecords(redis_intake.job_store)
    commands = CommandsPart(CommandRuns(settings, records), records, projects)
    versions = VersionsPart(
        store,
        settings.model_dir,
        projects,
        lambda: registry.info.code if registry.info is not None else None,
        streams=streams,
    )
    trainings = TrainingsPart(settings, intake, registry, projects, store)
    value = ValuePart(None if redis_intake is None else ValueReports(redis_intake.job_store), projects)
    reporter, errors = error_parts(settings, endpoints.counts, projects, intake)
    endpoints.forget_errors = reporter.forget
    return Dashboard(
        endpoints.sessions,
        (commands, versions, trainings, value, errors),
        starting=(reporter.start,),
        closing=(commands.close, reporter.close),
        tls=settings.http.tls_cert is not None,
        streams=streams,
    )
