"""Build the dashboard of a server: one part for each view, with what it reads."""

from label_studio_ml.config.settings import Settings
from label_studio_ml.dashboard.commands.command_runs import CommandRuns
from label_studio_ml.dashboard.commands.commands_part import CommandsPart
from label_studio_ml.dashboard.dashboard_app import Dashboard
from label_studio_ml.dashboard.errors.errors_setup import error_parts
from label_studio_ml.dashboard.now.background_checks import BackgroundChecks
from label_studio_ml.dashboard.now.now_part import NowPart, connect_command
from label_studio_ml.dashboard.projects.project_list import ProjectList
from label_studio_ml.dashboard.projects.projects_part import ProjectsPart
from label_studio_ml.dashboard.trainings.trainings_part import TrainingsPart
from label_studio_ml.dashboard.trial.trial_part import TrialPart
from label_studio_ml.dashboard.value.value_part import ValuePart
from label_studio_ml.dashboard.versions.versions_part import VersionsPart
from label_studio_ml.reports.command_records import MemoryCommandRecords, RedisCommandRecords
from label_studio_ml.reports.known_secrets import scrubber_of
from label_studio_ml.reports.server_reporting import ServerReporting
from label_studio_ml.reports.shared_checks import OwnChecks, SharedChecks
from label_studio_ml.reports.value_reports import ValueReports
from label_studio_ml.serving.prediction_service import PredictionService
from label_studio_ml.training.intake.event_intake import RedisIntake
from label_studio_ml.training.records.run_log import Scrubber
from label_studio_ml.versions.state.project_state import Projects
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.web.intake_interface import TrainingIntake
from label_studio_ml.web.project_registry import ProjectRegistry
from label_studio_ml.web.routes.endpoints import Endpoints
from label_studio_ml.web.routes.health import Health


def build_dashboard(
    settings: Settings,
    endpoints: Endpoints,
    pool: PredictionService,
    *,
    reporting: ServerReporting,
    store: VersionStore,
    projects: ProjectRegistry,
    intake: TrainingIntake,
    streams: bool,
) -> Dashboard:
    """Return the dashboard. `reporting` reports this server to others; `streams`: whether it can send events.

    Without Redis, as in tests of users' models, this server's memory has what servers report of themselves.
    """

    def scrubber() -> Scrubber:
        return scrubber_of(settings, projects.access_tokens())

    registry = pool.registry
    now = _now(settings, reporting, intake, projects, endpoints.health)
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
    titles = redis_intake.titles if redis_intake is not None and settings.store_url else dict
    listed = ProjectList(Projects(settings.model_dir), store, titles)
    about_projects = ProjectsPart(settings, endpoints, registry, projects, listed, store, intake, records)
    reporter, errors = error_parts(settings, endpoints.counts, projects, intake, scrubber)
    endpoints.forget_errors = reporter.forget
    trial = TrialPart(settings, projects, pool, store, endpoints.sessions, scrubber, streams=streams)
    return Dashboard(
        endpoints.sessions,
        (now, commands, versions, trainings, about_projects, value, errors, trial),
        starting=(reporter.start,),
        closing=(commands.close, reporter.close, now.close, trial.close),
        tls=settings.http.tls_cert is not None,
        streams=streams,
    )


def _now(
    settings: Settings,
    reporting: ServerReporting,
    intake: TrainingIntake,
    projects: ProjectRegistry,
    health: Health,
) -> NowPart:
    """Return the view of what all servers of the backend do now."""
    job_store = intake.job_store if isinstance(intake, RedisIntake) else None
    shared = SharedChecks(job_store) if job_store is not None else OwnChecks()
    checks = BackgroundChecks(settings, shared, reporting.identity.id)
    return NowPart(reporting, intake, projects, health, checks, job_store, connect_command(settings))
