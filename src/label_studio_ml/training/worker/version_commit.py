"""Commit the version that a run made; also of a run that broke off, from its progress file."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from label_studio_ml.errors import BackendError, StaleFence, StoreError, VersionError
from label_studio_ml.support.texts import plural
from label_studio_ml.training.policy import Entry, order
from label_studio_ml.training.process import progress_file
from label_studio_ml.training.process.failures import code_of, explained, may_pass
from label_studio_ml.training.process.publish import publish, published
from label_studio_ml.training.process.run_request import Outcome, RunRequest
from label_studio_ml.training.records.job_store import WORKER_ENDED
from label_studio_ml.training.scheduling.lease import LeaseLost
from label_studio_ml.training.worker.handover import without_payloads
from label_studio_ml.training.worker.leased_project import LeasedProject
from label_studio_ml.training.worker.run_end import EndKind, RunEnd
from label_studio_ml.versions.store.manifest import Manifest

logger = logging.getLogger(__name__)


def commit(
    project: LeasedProject,
    job_id: str,
    request: RunRequest | None,
    outcome: Outcome,
    *,
    entries: Sequence[Entry],
    processed: Sequence[Entry],
    version_id: str,
    fence: int,
) -> RunEnd:
    """Commit the version of a run, if it made one, and return the end of the run.

    `entries` are all events of the run, `processed` those that `outcome` covers. The end is SETTLED for the events
    `processed`, also if the version cannot be committed for a cause that another run would not fix. It is MAY_PASS for
    all events if disk or store refuse for a cause that may pass, and OVERTAKEN if another worker has committed a
    version meanwhile.
    """
    model_dir = project.settings.model_dir
    error_fields = {"error": outcome.error, "error_code": outcome.error_code}
    fields: dict[str, object] = {"state": "failed" if outcome.error else "finished", **error_fields}
    try:
        if request is not None and outcome.changed:
            with project.lease.renewing() as check_lease:
                manifest = publish(
                    project.store,
                    project.settings,
                    msgspec.structs.replace(request, events=without_payloads(processed)),
                    outcome,
                    version_id=version_id,
                    fence=fence,
                    check_lease=check_lease,
                )
            _log_version(manifest, outcome, len(processed))
            fields = {**published(manifest), **error_fields}
        else:
            project.store.discard(project.uid, version_id)
            if outcome.message and not outcome.error:
                fields["message"] = outcome.message
    except (LeaseLost, StaleFence) as error:
        return RunEnd(EndKind.OVERTAKEN, entries, job_id, version_id, str(error), error.code)
    except (BackendError, OSError) as error:
        if isinstance(error, StoreError | OSError) or may_pass(error, model_dir):
            # If the version was committed in spite of the error, the next run finds the events in its manifest.
            cause = explained(error, model_dir)
            return RunEnd(EndKind.MAY_PASS, entries, job_id, version_id, cause, code_of(error, VersionError))
        logger.error("Job %s: %s", job_id, error)
        project.store.discard(project.uid, version_id)
        fields = {"state": "failed", "error": str(error), "error_code": code_of(error, VersionError)}
    return RunEnd(EndKind.SETTLED, processed, job_id, version_id, fields={**fields, "events": len(processed)})


def commit_progress(
    project: LeasedProject, progress: progress_file.Progress[Outcome], cause: str, code: str
) -> RunEnd | None:
    """Commit the completed events of a run over single events that broke off; return the end of that run.

    `cause` says why the run broke off, empty if its worker died; `code` is the error's. The job is interrupted, or has
    the outcome of the run if no event is left for a later one. Returns None if no event was completed, the run was
    cancelled, its files are gone, or another version is served since: then its events are processed again.
    """
    parent, job = project.store.served(project.uid), project.job_store.jobs.get(progress.job)
    is_usable = progress.last and progress.parent == (parent.name if parent else "")
    is_usable = is_usable and Path(progress.workdir).is_dir() and not (job is not None and job.cancel)
    entries = project.untrained()
    processed = [entry for entry in entries if is_usable and order(entry.id) <= order(progress.last)]
    if not processed:
        return None
    version_id = Path(progress.workdir).name
    end = commit(
        project,
        progress.job,
        project.request(progress.job, processed, progress.workdir),
        progress.result,
        entries=entries,
        processed=processed,
        version_id=version_id,
        fence=project.next_fence(),
    )
    if end.kind is not EndKind.SETTLED:
        return end
    if not progress.current and len(processed) == len(entries):  # it broke off after its last event
        return replace(end, kind=EndKind.RECOVERED)
    before = f"{plural(len(processed), 'event')} before that went into a version"
    error = f"{cause or 'its worker ended before it did'}; {before}"
    # The event that was under way goes to a later job, and so do those after it.
    fields = {**end.fields, "state": "interrupted", "error": error, "error_code": code or WORKER_ENDED}
    return replace(end, kind=EndKind.RECOVERED, fields=fields)


def _log_version(manifest: Manifest, outcome: Outcome, events: int) -> None:
    labelled = f"{plural(outcome.annotations, 'labelled task')} from {outcome.source}"
    trained_on = labelled if outcome.annotations >= 0 else plural(events, "event")
    held_back = f"; it is held back: {manifest.gate}" if manifest.gate else ""
    logger.info(
        "Job %s: project %s: version %s is published (%s)%s",
        manifest.job,
        manifest.project,
        manifest.name,
        trained_on,
        held_back,
    )
