"""Call `fit` on generated annotations, in the way of the class's generation."""

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_calls.adapter import fit_annotations, fit_event
from label_studio_ml.test_kit.calls.announced_calls import announce_cancellation, announced
from label_studio_ml.test_kit.child.tested_class import TestedClass
from label_studio_ml.test_kit.child_plan import CallKind
from label_studio_ml.training.dataset import LabelledTasks
from label_studio_ml.training.job import Report, TrainingJob
from label_studio_ml.versions.state.key_values import MemoryState, StagedState

Json = dict[str, Any]

#: Id of the job, and name of the version.
VERSION = "test-1"
#: Annotations of which a class with `fit(event, data)` gets an event each.
_EVENTS = 8


class Cancellation:
    """Cancels a training in the middle: after its first question or report, or `delay` seconds after it has begun."""

    def __init__(self, delay: float) -> None:
        self._timer = threading.Timer(delay, self._cancel)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._running = 0
        self.is_set = False

    @contextlib.contextmanager
    def during(self, call: int) -> Iterator[None]:
        """Cancel within the block, in which a call of `fit` runs; `call` is its number."""
        self._running = call
        if self._timer.ident is None:
            self._timer.start()
        try:
            yield
        finally:
            with self._lock:
                self._running = 0

    def end(self) -> None:
        """Note that the training has ended."""
        self._timer.cancel()

    def asked(self) -> bool:
        """Return whether the training was cancelled before this question."""
        was_set = self.is_set
        self._cancel()
        return was_set

    def reported(self, report: Report) -> None:
        """Cancel the training, which has reported something."""
        self._cancel()

    def _cancel(self) -> None:
        with self._lock:
            if not self.is_set and self._running:
                announce_cancellation(self._running)
            self.is_set = True


class Training:
    """One training of a new model: its `error`, or what `fit` returned (`output`) and stored (`state`)."""

    def __init__(
        self, tested: TestedClass, workdir: Path, *, cancellation: Cancellation | None = None
    ) -> None:
        self._tested = tested
        self.workdir = workdir
        staged = StagedState(MemoryState(tested.plan.state))
        self.model: LabelStudioMLBase = tested.build(state=staged)
        self._staged = staged
        self._cancellation = cancellation
        self._job = (
            TrainingJob(VERSION, workdir)
            if cancellation is None
            else TrainingJob(VERSION, workdir, asked=cancellation.asked, report=cancellation.reported)
        )
        self.error: BaseException | None = None
        self.output: Mapping[Any, Any] = {}

    @property
    def state(self) -> dict[str, str]:
        """The key/value pairs that `fit` has stored."""
        return dict(self._staged.changes)

    def run(self, labelled: Sequence[Json]) -> None:
        """Call `fit` with these tasks, or once for each annotation."""
        try:
            with self._tested.effects.watching():
                if self._tested.info.generation == "event":
                    self._fit_events(labelled)
                else:
                    self._fit_all(labelled)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 (user code may raise anything, SystemExit too)
            self.error = error
        finally:
            if self._cancellation is not None:
                self._cancellation.end()

    def _fit_all(self, labelled: Sequence[Json]) -> None:
        tasks = LabelledTasks.from_tasks(labelled, project="1.1700000000")
        tasks.use_files(self.model._files())
        tasks.use_workdir(self.workdir)
        with self._announced():
            self.output = fit_annotations(
                self.model,
                tasks,
                event="START_TRAINING",
                data={},
                job_id=VERSION,
                workdir=self.workdir,
                job=self._job,
            )

    def _fit_events(self, labelled: Sequence[Json]) -> None:
        for task in labelled[:_EVENTS]:
            if self._cancellation is not None and self._cancellation.is_set:
                return
            self.send_event("ANNOTATION_CREATED", task, task["annotations"][0])

    def send_event(self, action: str, task: Json, annotation: Json) -> None:
        """Call `fit(event, data)` for one annotation. Raises what it raises."""
        config = self._tested.plan.label_config
        project = {"id": 1, "title": "Test", "label_config": config, "created_at": "2023-11-14T22:13:20Z"}
        data = {"action": action, "project": project, "task": task, "annotation": annotation}
        with self._announced():
            returned = fit_event(
                self.model, action, data, job_id=VERSION, workdir=self.workdir, job=self._job
            )
        if isinstance(returned, Mapping):
            self.output = returned
            self.model.train_output = dict(returned)

    @contextlib.contextmanager
    def _announced(self) -> Iterator[None]:
        """Announce a call of `fit`, to the cancellation too."""
        with contextlib.ExitStack() as stack:
            number = stack.enter_context(announced(CallKind.FIT))
            if self._cancellation is not None:
                stack.enter_context(self._cancellation.during(number))
            yield


class WatchedAnnotation(dict[str, Any]):
    """An annotation that records which of its keys are read."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.keys_read: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.keys_read.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, else `default`."""
        self.keys_read.add(key)
        return super().get(key, default)
