"""Run a model of the event generation: call `fit(event, data)` for each queued event, one at a time, in order."""

import functools
import logging
from collections.abc import Mapping, Sized
from dataclasses import dataclass, field
from enum import Enum, auto
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
from label_studio_ml.training.process import progress_file
from label_studio_ml.training.process.failures import code_of, may_pass
from label_studio_ml.training.process.folder_changes import Snapshot, snapshot
from label_studio_ml.training.process.run_request import Outcome, RunRequest, client_of, refusal
from label_studio_ml.training.process.single_events import Single, single_events
from label_studio_ml.training.process.written_files import WrittenFiles
from label_studio_ml.training.records.event_queue import StoredEvent
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
    files_before = user_files(settings)
    replay = _Replay(model, request, settings, staged, job)
    end = replay.run()
    if (
        end is End.CANCELLED
    ):  # fit may have returned early because of it: its event does not count as completed
        return replay.outcome(changed=False)
    replay.note("")
    if end is End.ALL and replay.results.only_error is not None:
        raise replay.results.only_error
    outcome = replay.outcome(changed=replay.made_version(files_before))
    if not isinstance(end, StudioError):
        return outcome
    return msgspec.structs.replace(
        outcome,
        error=f"an event that came without login cannot be checked: {end}",
        last=replay.last_completed or "0-0",
        passing=end.passing,
        stuck=not end.passing,
        refused=refusal(end),
    )


class End(Enum):
    """How the calls of `fit` ended, unless an event could not be checked."""

    #: Every event was processed, or the run was cancelled between two events.
    ALL = auto()
    #: The run was cancelled in the middle of an event.
    CANCELLED = auto()


class _Replay:
    """The calls of `fit` for the events of one run. `last_completed` is an event's id, empty if none is completed."""

    def __init__(
        self,
        model: LabelStudioMLBase,
        request: RunRequest,
        settings: Settings,
        staged: StagedState,
        job: TrainingJob,
    ) -> None:
        self._model, self._request, self._settings = model, request, settings
        self._staged, self._job = staged, job
        self._written_files = WrittenFiles(Path.cwd(), [*user_folders(settings), *_backend_folders(settings)])
        self._actions = set(model.TRAIN_EVENTS) | {"START_TRAINING"}
        self._client = functools.cache(lambda: client_of(request, settings))
        info = describe_class(type(model))
        served = version_name(model, request.spec)
        train_output = dict(request.spec.train_output)
        self.results = _Results(served, info.promote_if, info.keep_versions, train_output)
        self.last_completed = ""

    def run(self) -> End | StudioError:
        """Call `fit` for each event until all are done, the run is cancelled, or an event cannot be checked."""
        for event in self._request.all_events():
            if self._job.cancelled:
                break
            try:
                single_calls = self._single_events(event)
            except StudioError as error:
                logger.warning("%s came without login and cannot be checked: %s", event.action, error)
                return error
            self.note(event.id)
            for action, data in single_calls:
                if self._job.cancelled:
                    break
                with self._written_files.watching():
                    self._fit(action, data)
            if self._job.cancelled:
                return End.CANCELLED
            self.last_completed = event.id
        return End.ALL

    def _single_events(self, event: StoredEvent) -> list[Single]:
        """Return the calls of `fit` for an event. Raises StudioError if the event cannot be checked."""
        return single_events(
            event,
            self._actions,
            lambda number: self._client().task(number),
            lambda: self._client().labelled_tasks(self._request.spec.project.uid),
        )

    def _fit(self, action: str, data: Any) -> None:
        """Call `fit` for one event, and record the result. Values that a failed `fit` has set are discarded.

        A dict that `fit` returns replaces the model's `train_output`. Raises errors that may pass (a full disk, a
        database that cannot be used now), because the event did not cause them.
        """
        request, results, workdir = self._request, self.results, Path(self._request.workdir)
        self._job.begin()
        values_before = dict(self._staged.changes)
        try:
            returned = fit_event(
                self._model, action, data, job_id=request.job, workdir=workdir, job=self._job
            )
        except (Exception, SystemExit) as error:
            if may_pass(error, self._settings.model_dir):
                raise
            logger.exception("fit failed for one %s", action)
            self._staged.changes = values_before
            results.failed(action, error)
            return
        results.done += 1
        if not _is_result(returned):
            return
        results.returned = True
        if isinstance(returned, Mapping):
            results.train_output = {**_json_part(returned), "job_id": request.job}
            self._model.train_output = dict(results.train_output)

    def note(self, current: str) -> None:
        """Write the progress file, if the request names one: the event `current` begins, empty for none."""
        if not self._request.progress:
            return
        progress = progress_file.Progress(
            job=self._request.job,
            parent=self._request.spec.version,
            workdir=self._request.workdir,
            last=self.last_completed,
            current=current,
            result=self.outcome(changed=True),
        )
        progress_file.write(Path(self._request.progress), progress)

    def made_version(self, files_before: Snapshot) -> bool:
        """Tell whether `fit` returned a result, stored a new value, or wrote a file since `files_before`."""
        has_written = user_files(self._settings) != files_before
        has_written = (
            has_written or any(Path(self._request.workdir).iterdir()) or bool(self._written_files.files())
        )
        return has_written or self.results.returned or bool(_new_values(self._staged, self.results.served))

    def outcome(self, *, changed: bool) -> Outcome:
        """Return the outcome of the calls of `fit` so far; `changed` tells whether there is something to publish."""
        results = self.results
        published = changed and results.done > 0
        return Outcome(
            error=results.error,
            error_code=results.error_code,
            changed=published,
            message="" if published else _nothing_new(results),
            version=self._staged.changes.get("model_version", ""),
            served=results.served,
            metrics=self._job.metrics,
            previous_metrics=self._job.previous_metrics,
            promote_if=results.promote_if,
            keep_versions=results.keep_versions,
            train_output={**results.train_output, "job_id": self._request.job},
            state=self._staged.changes,
            source="events",
            generation="event",
            code=self._request.code,
        )


def _is_result(returned: Any) -> bool:
    """Tell whether `fit` returned a result: anything but None, False and empty values."""
    return (
        returned is not None
        and returned is not False
        and not (isinstance(returned, Sized) and not len(returned))
    )


def _json_part(returned: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the values of a dict that JSON can hold; the others are left out, with a warning in the job's log."""
    values: dict[str, Any] = {}
    for key, value in returned.items():
        try:
            values[str(key)] = msgspec.json.decode(msgspec.json.encode(value, enc_hook=plain))
        except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
            logger.warning(
                "fit returned %r with a value that JSON cannot hold; it is left out: %s", key, error
            )
    return values


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
class _Results:
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
    def only_error(self) -> BaseException | None:
        """The error of `fit` if it was called once and failed, else None."""
        return self.last if self.done == 0 and len(self.failures) == 1 else None

    @property
    def error_code(self) -> str:
        """The code of the last error, empty if there is none; user code's own errors have that of FitError."""
        return "" if self.last is None else code_of(self.last)

    @property
    def error(self) -> str:
        total = self.done + len(self.failures)
        return (
            f"fit failed for {len(self.failures)} of {plural(total, 'event')}; {self.failures[0]}"
            if self.failures
            else ""
        )


def _nothing_new(results: _Results) -> str:
    """Return a message that says why a run makes no version."""
    if not results.done:
        return "No new version: none of the events starts a training of this class"
    return (
        "No new version: fit returned nothing, changed no value that is stored with set(), and wrote no file"
    )


def user_files(settings: Settings) -> Snapshot:
    """Return a snapshot of the folders in which an event-generation model may keep its weights."""
    backend_folders, folders = _backend_folders(settings), sorted(user_folders(settings))
    return {name: state for folder in folders for name, state in snapshot(folder, backend_folders).items()}


def _backend_folders(settings: Settings) -> tuple[Path, ...]:
    """Return the folders to which this package writes during a run, so that their changes are not due to `fit`."""
    return (settings.model_dir, settings.log_dir)


def user_folders(settings: Settings) -> set[Path]:
    """Return the backend's folder, and the folders of `MODEL_DIR` and `MODEL_ROOT` if they are set."""
    configured = (settings.user_model_dir, settings.model_root)
    return {settings.backend_dir, *(settings.backend_dir / folder for folder in configured if folder)}
