"""Train the class on parts of the labelled tasks, each time an untrained model in a process of its own."""

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import FitError, ModelProcessDied
from label_studio_ml.evaluation.evaluated_model import ModelUnderTest
from label_studio_ml.evaluation.trials.task_pool import TaskPool
from label_studio_ml.evaluation.trials.trial_request import TrialOutcome, TrialRequest
from label_studio_ml.model_calls.adapter import ModelSpec
from label_studio_ml.processes.exit_status import describe_exit
from label_studio_ml.processes.interpreter import command
from label_studio_ml.processes.orphans import GuardedProcess
from label_studio_ml.storage.private_files import make_folder, open_file
from label_studio_ml.versions.state.project_state import Project

#: Folders of MODEL_DIR with files that do not depend on a version: fetched task files, values of `self.once`.
_SHARED_FOLDERS = ("files", "once")
#: Seconds between two reports of a phase that goes on.
_REPORT_INTERVAL = 10.0


class TrialFailed(FitError):
    """A training on a part of the tasks failed. `unusable`: no training of the class can succeed."""

    code = "LSML-E346"

    def __init__(self, message: str, *, fix: str = "", field: str = "", unusable: bool = False) -> None:
        super().__init__(message, fix=fix, field=field)
        self.unusable = unusable


@dataclass(frozen=True, slots=True)
class Trial:
    """A finished training: the model that it made, and the seconds that it took."""

    model: ModelUnderTest
    seconds: float


class Trials:
    """Context manager of trainings of a project's model class. What they write is removed at the end of the block.

    Each training starts from an untrained model without stored key/value pairs, with a MODEL_DIR of its own, so that
    the backend's versions and state stay as they are. Output of the user's code goes to the file `log`.
    """

    def __init__(self, settings: Settings, project: Project, log: Path) -> None:
        self._original = settings
        self._project = project
        self._log = log
        self._number = 0
        #: Called with what a trial does ("training"), and for how many seconds it has done it.
        self.on_phase: Callable[[str, float], None] = lambda phase, seconds: None
        self._exit_stack = contextlib.ExitStack()

    def __enter__(self) -> "Trials":
        with contextlib.ExitStack() as stack:
            name = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="label-studio-ml-trials-", ignore_cleanup_errors=True)
            )
            self.folder = Path(name)
            model_dir = self.folder / "data"
            model_dir.mkdir()
            for shared in _SHARED_FOLDERS:
                make_folder(self._original.model_dir / shared)
                (model_dir / shared).symlink_to((self._original.model_dir / shared).absolute())
            self._settings = self._original.with_model_dir(str(model_dir))
            self._exit_stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exit_stack.close()

    @contextlib.contextmanager
    def trained(self, pool: TaskPool, positions: Sequence[int]) -> Iterator[Trial]:
        """Train on the tasks of `pool` at `positions`; give the trial, whose model runs, for the `with` block.

        Raises TrialFailed if fit fails or does not read the tasks, ModelProcessDied if its process ends, and the errors
        of starting the model.
        """
        self._number += 1
        name = f"trial-{self._number}"
        workdir = self.folder / name
        workdir.mkdir()
        request = TrialRequest(
            spec=ModelSpec(project=self._project),
            tasks=str(pool.path),
            positions=list(positions),
            workdir=str(workdir),
            name=name,
        )
        try:
            started = time.monotonic()
            outcome = self._run(request)
            seconds = time.monotonic() - started
            spec = ModelSpec(
                project=self._project, version=outcome.version or name, train_output=outcome.train_output
            )
            self.on_phase("starting the trained model", 0.0)
            with ModelUnderTest(self._settings, spec, outcome.state, self._log) as model:
                self.on_phase("predicting", 0.0)
                yield Trial(model, seconds)
        finally:
            shutil.rmtree(workdir, ignore_errors=True)

    def _run(self, request: TrialRequest) -> TrialOutcome:
        """Run the training's process to its end and return the outcome."""
        make_folder(self._log.parent)
        request_file, outcome_file = self.folder / "request.json", self.folder / "outcome.json"
        request_file.write_bytes(msgspec.json.encode(request))
        outcome_file.unlink(missing_ok=True)
        guard, guard_end = socket.socketpair()
        with guard, open_file(self._log, "ab") as log, request_file.open("rb") as request_input:
            with guard_end:
                process = GuardedProcess(
                    command(
                        self._settings,
                        "label_studio_ml.evaluation.trials.trial_process",
                        guard_end.fileno(),
                        outcome_file,
                    ),
                    pass_fds=[guard_end.fileno()],
                    stdin=request_input,
                    stdout=log,
                    stderr=log,
                    env={**self._settings.child_env(), "PYTHONUNBUFFERED": "1"},
                    start_new_session=True,  # Ctrl-C reaches this process alone, which ends that one
                )
            try:
                status = self._wait(process)
            finally:
                guard.close()  # the guard then ends the training
                process.popen.wait()
                process.ended()
        return self._outcome(outcome_file, status)

    def _wait(self, process: GuardedProcess) -> int:
        """Return the exit status of the training's process; report the phase until it has ended."""
        started = time.monotonic()
        while True:
            self.on_phase("training", time.monotonic() - started)
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.popen.wait(_REPORT_INTERVAL)

    def _outcome(self, file: Path, status: int) -> TrialOutcome:
        try:
            outcome = msgspec.json.decode(file.read_bytes(), type=TrialOutcome)
        except (OSError, msgspec.MsgspecError):
            raise ModelProcessDied(
                f"The training process {describe_exit(status)} in fit", fix=f"Its output is in {self._log}"
            ) from None
        if outcome.error:
            fix = "" if outcome.unusable else f"Its output is in {self._log}"
            raise TrialFailed(outcome.error, fix=fix, unusable=outcome.unusable)
        if not outcome.read:
            raise TrialFailed(
                "fit did not read the annotations that it was given, so it cannot be trained on a part of them",
                fix="Let fit(self, annotations, **kwargs) iterate over annotations",
                field="fit",
                unusable=True,
            )
        return outcome
