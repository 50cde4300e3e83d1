"""Run a model of the event generation: call `fit(event, data)` for each queued event, one at a time, in order."""

import functools
import logging
from collections.abc import Mapping, Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import StudioError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_calls.adapter import describe_class, fit_event, reason, version_name
from label_studio_ml.protocol.prediction_json import plain
from label_studio_ml.support.texts import plural, whole_number
from label_studio_ml.training.job import TrainingJob
from label_studio_ml.training.run import progress_file
from label_studio_ml.training.run.failures import may_pass
from label_studio_ml.training.run.folder_changes import Snapshot, snapshot
from label_studio_ml.training.run.run_request import Outcome, RunRequest, client_of, refusal
from label_studio_ml.training.run.single_events import single_events
from label_studio_ml.training.run.written_files import WrittenFiles
from label_studio_ml.versions.state.key_values import StagedState

logger = logging.getLogger(__name__)


def fit_events(
    model: LabelStudioMLBase, request: RunRequest, settings: Settings, staged: StagedState, job: TrainingJob
) -> Outcome:
    """Call an event-generation `fit` for each event, in order, and return the outcome; a failed event stops no other.

    A bulk event counts as its single events (`single_events`). The progress file is written before each event. Raises
    the error of `fit` if only one call was made, and any error that may pass, such as a full disk: the files that the
    run has written are incomplete then. An event without login that cannot be checked in Label Studio ends the run; the
    outcome names the last event before it.
    """
    before = user_files(settings)
    elsewhere = WrittenFiles(Path.cwd(), [*user_folders(settings), *_our_folders(settings)])
    served = version_name(model, request.spec)
    wanted = set(model.TRAIN_EVENTS) | {"START_TRAINING"}
    info = describe_class(type(model))
    counts = _Counts(served, info.promote_if, info.keep_versions, dict(request.spec.train_output))
    through, stop = "", None
    note = functools.partial(_note, request, staged, counts, job)
    client = functools.cache(lambda: client_of(request, settings))
    for event in request.all_events():
        if job.cancelled:
            break
        try:
            singles = single_events(
                event,
                wanted,
                lambda number: client().task(number),
                lambda: client().labelled_tasks(request.spec.project.uid),
            )
        except StudioError as error:
            logger.warning("%s came without login and cannot be checked: %s", event.action, error)
            stop = error
            break
        note(through, event.id)
        for action, data in singles:
            if job.cancelled:
                break
            with elsewhere.watching():
                _fit(model, action, data, request, settings, staged, counts, job)
        if job.cancelled:  # fit may have returned early because of it: the event does not count as completed
            return _of_events(request, staged, counts, job, changed=False)
        through = event.id
    note(through, "")
    if counts.only is not None and stop is None:
        raise counts.only
    written = (
        user_files(settings) != before or any(Path(request.workdir).iterdir()) or bool(elsewhere.found())
    )
    changed = written or counts.returned or bool(_new_values(staged, served))
    outcome = _of_events(request, staged, counts, job, changed=changed)
    if stop is None:
        return outcome
    cause = f"an event that came without login cannot be checked: {stop}"
    return msgspec.structs.replace(
        outcome,
        error=cause,
        last=through or "0-0",
        passing=stop.passing,
        stuck=not stop.passing,
        refused=refusal(stop),
    )


def _fit(
    model: LabelStudioMLBase,
    action: str,
    data: Any,
    request: RunRequest,
    settings: Settings,
    staged: StagedState,
    counts: "_Counts",
    job: TrainingJob,
) -> None:
    """Call `fit` for one event, and record the result in `counts`. Values that a failed `fit` has set are discarded.

    A dict that `fit` returns replaces the model's `train_output`. Raises errors that may pass (a full disk, a database
    that cannot be used now), because the event did not cause them.
    """
    job.begin()
    kept = dict(staged.changes)
    try:
        returned = fit_event(model, action, data, job_id=request.job, workdir=Path(request.workdir), job=job)
    except (Exception, SystemExit) as error:
        if may_pass(error, settings.model_dir):
            raise
        logger.exception("fit failed for one %s", action)
        staged.changes = kept
        counts.failed(action, error)
        return
    counts.done += 1
    if not _is_result(returned):
        return
    counts.returned = True
    if isinstance(returned, Mapping):
        counts.train_output = {**_json_part(returned), "job_id": request.job}
        model.train_output = dict(counts.train_output)


def _is_result(returned: Any) -> bool:
    """Tell whether `fit` returned a result: anything but None, False and empty values."""
    return (
        returned is not None
        and returned is not False
        and not (isinstance(returned, Sized) and not len(returned))
    )


def _json_part(returned: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the values of a dict that JSON can hold; the others are left out, with a warning in the job's log."""
    kept: dict[str, Any] = {}
    for key, value in returned.items():
        try:
            kept[str(key)] = msgspec.json.decode(msgspec.json.encode(value, enc_hook=plain))
        except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
            logger.warning(
                "fit returned %r with a value that JSON cannot hold; it is left out: %s", key, error
            )
    return kept


def _new_values(staged: StagedState, served: str) -> dict[str, str]:
    """Return the key/value pairs that `fit` has set to other values than those stored before.

    Setting `model_version` to the name of the served version is no change, even if that name got a suffix such as
    `-2` because it was taken.
    """
    values = staged.different()
    name = values.get("model_version", "")
    stem, _, number = served.rpartition("-")
    if name and (name == served or (whole_number(number) is not None and stem == name)):
        del values["model_version"]
    return values


@dataclass
class _Counts:
    """Results of the calls of `fit` so far, and attributes of the class.

    `served` is the name of the served version. `train_output` is the last dict that a `fit` returned, at first that of
    the served version; `returned` tells whether a `fit` of this run returned a result. `last` is the last error.
    """

    served: str
    promote_if: str
    keep_versions: int
    train_output: dict[str, Any]
    returned: bool = False
    done: int = 0
    failures: list[str] = field(default_factory=list)
    last: BaseException | None = None

    def failed(self, action: str, error: BaseException) -> None:
        self.failures.append(f"{action}: {reason(error)}")
        self.last = error

    @property
    def only(self) -> BaseException | None:
        """The error of `fit` if it was called once and failed, else None."""
        return self.last if self.done == 0 and len(self.failures) == 1 else None

    @property
    def error(self) -> str:
        total = self.done + len(self.failures)
        return (
            f"fit failed for {len(self.failures)} of {plural(total, 'event')}; {self.failures[0]}"
            if self.failures
            else ""
        )


def _of_events(
    request: RunRequest, staged: StagedState, counts: _Counts, job: TrainingJob, *, changed: bool
) -> Outcome:
    published = changed and counts.done > 0
    return Outcome(
        error=counts.error,
        changed=published,
        message="" if published else _nothing_new(counts),
        version=staged.changes.get("model_version", ""),
        served=counts.served,
        metrics=job.metrics,
        previous_metrics=job.previous_metrics,
        promote_if=counts.promote_if,
        keep_versions=counts.keep_versions,
        train_output={**counts.train_output, "job_id": request.job},
        state=staged.changes,
        source="events",
        generation="event",
        code=request.code,
    )


def _note(
    request: RunRequest, staged: StagedState, counts: _Counts, job: TrainingJob, last: str, current: str
) -> None:
    """Write the progress file, if the request names one: `last` was completed, `current` begins, empty for none."""
    if request.progress:
        result = _of_events(request, staged, counts, job, changed=True)
        found = progress_file.Progress(
            job=request.job,
            parent=request.spec.version,
            workdir=request.workdir,
            last=last,
            current=current,
            result=result,
        )
        progress_file.write(Path(request.progress), found)


def _nothing_new(counts: _Counts) -> str:
    """Return a message that says why a run makes no version."""
    if not counts.done:
        return "No new version: none of the events starts a training of this class"
    return (
        "No new version: fit returned nothing, changed no value that is stored with set(), and wrote no file"
    )


def user_files(settings: Settings) -> Snapshot:
    """Return a snapshot of the folders in which an event-generation model may keep its weights."""
    ours, folders = _our_folders(settings), sorted(user_folders(settings))
    return {name: state for folder in folders for name, state in snapshot(folder, ours).items()}


def _our_folders(settings: Settings) -> tuple[Path, ...]:
    """Return the folders to which this package writes during a run, so that their changes are not due to `fit`."""
    return (settings.model_dir, settings.log_dir)


def user_folders(settings: Settings) -> set[Path]:
    """Return the backend's folder, and the folders of `MODEL_DIR` and `MODEL_ROOT` if they are set."""
    named = (settings.user_model_dir, settings.model_root)
    return {settings.backend_dir, *(settings.backend_dir / folder for folder in named if folder)}
