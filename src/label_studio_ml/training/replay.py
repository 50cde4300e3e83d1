"""The event generation's run: each waiting event goes through `fit(event, data)`, in order, one at a time."""

import functools
import logging
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from label_studio_ml.adapter import describe_class, fit_event, reason, version_name
from label_studio_ml.errors import StudioError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.settings import Settings
from label_studio_ml.training import progress
from label_studio_ml.training.folder import Snapshot, snapshot
from label_studio_ml.training.job import TrainingJob
from label_studio_ml.training.request import Outcome, RunRequest, client_of
from label_studio_ml.training.singles import single_events
from label_studio_ml.versions.state import StagedState

logger = logging.getLogger(__name__)


def fit_events(
    model: LabelStudioMLBase, request: RunRequest, settings: Settings, staged: StagedState, job: TrainingJob
) -> Outcome:
    """Call an event-generation `fit` once for each event, in order; one that fails takes no other with it.

    Raises what the only event raises.
    """
    before = _user_files(settings)
    served = version_name(model, request.spec)
    wanted = set(model.TRAIN_EVENTS) | {"START_TRAINING"}
    info = describe_class(type(model))
    counts = _Counts(served, info.promote_if, info.keep_versions)
    through, stop = "", None
    note = functools.partial(_note, request, staged, counts, job)
    client = functools.cache(lambda: client_of(request, settings))
    for event in request.all_events():
        if job.cancelled:
            break
        try:
            singles = single_events(event, wanted, lambda number: client().task(number))
        except StudioError as error:
            logger.warning("%s came without login and cannot be checked: %s", event.action, error)
            stop = error
            break
        note(through, event.id)
        for action, data in singles:
            if job.cancelled:
                break
            job.begin()
            kept = dict(staged.changes)
            try:
                fit_event(model, action, data, request.job, job)
                counts.done += 1
            except (Exception, SystemExit) as error:
                logger.exception("fit failed for one %s", action)
                staged.changes = kept
                counts.failed(action, error)
        if job.cancelled:  # fit may have returned early for it: the event does not count as through
            return _of_events(request, staged, counts, job, changed=False)
        through = event.id
    note(through, "")
    if counts.only is not None and stop is None:
        raise counts.only
    changed = bool(staged.changes) or _user_files(settings) != before or any(Path(request.workdir).iterdir())
    outcome = _of_events(request, staged, counts, job, changed=changed)
    if stop is None:
        return outcome
    cause = f"an event that came without login cannot be checked: {stop}"
    return msgspec.structs.replace(
        outcome, error=cause, last=through or "0-0", passing=stop.passing, stuck=not stop.passing
    )


@dataclass
class _Counts:
    """What became of the events so far, and what is known of the class."""

    served: str
    promote_if: str
    keep_versions: int
    done: int = 0
    failures: list[str] = field(default_factory=list)
    last: BaseException | None = None

    def failed(self, action: str, error: BaseException) -> None:
        self.failures.append(f"{action}: {reason(error)}")
        self.last = error

    @property
    def only(self) -> BaseException | None:
        """The failure of an event that was alone."""
        return self.last if self.done == 0 and len(self.failures) == 1 else None

    @property
    def error(self) -> str:
        total = self.done + len(self.failures)
        return (
            f"fit failed for {len(self.failures)} of {total} events; {self.failures[0]}"
            if self.failures
            else ""
        )


def _of_events(
    request: RunRequest, staged: StagedState, counts: _Counts, job: TrainingJob, *, changed: bool
) -> Outcome:
    return Outcome(
        error=counts.error,
        changed=changed and counts.done > 0,
        version=staged.changes.get("model_version", ""),
        served=counts.served,
        metrics=job.metrics,
        promote_if=counts.promote_if,
        keep_versions=counts.keep_versions,
        train_output={"job_id": request.job},
        state=staged.changes,
        source="events",
        generation="event",
        code=request.code,
    )


def _note(
    request: RunRequest, staged: StagedState, counts: _Counts, job: TrainingJob, last: str, current: str
) -> None:
    """Write down how far the run is."""
    if request.progress:
        result = _of_events(request, staged, counts, job, changed=True)
        found = progress.Progress(
            job=request.job,
            parent=request.spec.version,
            workdir=request.workdir,
            last=last,
            current=current,
            result=result,
        )
        progress.write(Path(request.progress), found)


def _user_files(settings: Settings) -> Snapshot:
    """Return a snapshot of the folder that an event-generation model keeps its weights in."""
    folder = (
        settings.backend_dir / settings.user_model_dir if settings.user_model_dir else settings.backend_dir
    )
    return snapshot(folder)
