"""Training of the parts of a combined model: files, failures, and the form of `fit` with events."""

import errno
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.combined import Combined, Part
from label_studio_ml.errors import StudioError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_api.model_context import ModelContext, model_context
from label_studio_ml.training.job import PreviousVersion, TrainingJob
from label_studio_ml.versions.state.key_values import MemoryState, StagedState

Json = dict[str, Any]


class Learner(LabelStudioMLBase):
    """Writes a file and returns its path; raises `error` if the class has one."""

    error: BaseException | None = None

    def fit(self, annotations: Any, workdir: str = "", **kwargs: Any) -> Json:  # type: ignore[override]
        weights = Path(workdir, "weights.txt")
        weights.write_text(type(self).__name__)
        self.set("key", "new")
        if self.error is not None:
            raise self.error
        return {"weights": str(weights), "f1": 0.5}


class EventLearner(LabelStudioMLBase):
    """Writes the event to a file and returns its path; raises for the event TASKS_DELETED."""

    TRAIN_EVENTS = ("ANNOTATION_CREATED", "TASKS_DELETED")

    def fit(self, event: str, data: Any, workdir: Any = None, **kwargs: Any) -> Any:  # type: ignore[override]
        weights = Path(workdir, "weights.txt")
        weights.write_text(event)
        self.set("event", event)
        if event == "TASKS_DELETED":
            raise RuntimeError("cannot unlearn")
        return {"weights": str(weights), "seen": [*self.train_output.get("seen", []), event]}


def named(name: str, base: type[LabelStudioMLBase] = Learner, **attributes: Any) -> type[LabelStudioMLBase]:
    return type(name, (base,), attributes)


def combined(*parts: Any) -> type[Combined]:
    return type("Both", (Combined,), {"parts": parts})


def train(cls: type[Combined], folder: Path, previous: PreviousVersion | None = None) -> Json:
    folder.mkdir(exist_ok=True)
    model = cls(train_output=previous.train_output if previous else {})
    output = model.fit([], job=TrainingJob(folder.name, folder, previous), job_id=folder.name)
    assert isinstance(output, dict)
    return output


def version(folder: Path, output: Json) -> PreviousVersion:
    return PreviousVersion(name=folder.name, path=str(folder), train_output=output)


def test_a_part_that_is_left_out_keeps_its_files_in_the_new_version(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    output = train(combined(named("One"), named("Two")), first)
    later = train(combined(named("One")), second, version(first, output))
    assert later["parts"]["Two"] == {"weights": str(second / "Two/weights.txt"), "f1": 0.5, "job_id": "1"}
    assert (second / "Two/weights.txt").read_text() == "Two"
    assert later["parts"]["One"]["job_id"] == "2"


@pytest.mark.parametrize("error", [SystemExit(1), RuntimeError("broken"), StudioError("a file is missing")])
def test_a_part_that_cannot_learn_costs_no_other_part(tmp_path: Path, error: BaseException) -> None:
    output = train(combined(named("Bad", error=error), named("Good")), tmp_path / "1")
    assert list(output["parts"]) == ["Good"]
    assert not (tmp_path / "1" / "Bad").exists(), "its files are incomplete"


def unreachable() -> StudioError:
    error = StudioError("Label Studio does not answer")
    error.passing = True
    return error


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), unreachable()])
def test_an_error_that_may_pass_ends_the_training_so_that_it_is_tried_again(
    tmp_path: Path, error: BaseException
) -> None:
    with pytest.raises(type(error)):
        train(combined(named("Bad", error=error), named("Good")), tmp_path / "1")


def test_a_result_that_json_cannot_hold_is_the_fault_of_its_part(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd(Learner):
        def fit(self, annotations: Any, **kwargs: Any) -> Json:  # type: ignore[override]
            return {"model": object()}

    output = train(combined(Odd, named("Good")), tmp_path / "1")
    assert list(output["parts"]) == ["Good"]
    assert "The part Odd was not trained" in caplog.text
    assert "'model'" in caplog.text


def test_values_that_a_failed_fit_has_set_are_discarded(tmp_path: Path) -> None:
    staged = StagedState(MemoryState())
    with model_context(ModelContext(state=staged)):
        model = combined(named("Bad", error=ValueError("no")), named("Good"))()
    model.fit([], job=TrainingJob("1", tmp_path), job_id="1")
    assert staged.changes == {"Good.key": "new"}


class Events(Combined):
    parts = (
        Part(EventLearner, name="all"),
        Part(named("Few", EventLearner, TRAIN_EVENTS=("TASKS_DELETED",)), name="few"),
    )


def fit(model: Combined, job: TrainingJob, event: str) -> Any:
    """Call `fit` for an event as the training process does."""
    returned = model.fit(event, {}, job=job, job_id=job.id, workdir=job.workdir)
    if isinstance(returned, dict):
        model.train_output = returned
    return returned


def test_each_part_has_its_folder_and_its_output_for_each_event(tmp_path: Path) -> None:
    model, job = Events(), TrainingJob("1", tmp_path)
    fit(model, job, "ANNOTATION_CREATED")
    output = fit(model, job, "START_TRAINING")
    weights = {name: str(tmp_path / name / "weights.txt") for name in ("all", "few")}
    assert output["parts"] == {
        "all": {"weights": weights["all"], "seen": ["ANNOTATION_CREATED", "START_TRAINING"], "job_id": "1"},
        "few": {"weights": weights["few"], "seen": ["START_TRAINING"], "job_id": "1"},
    }
    assert Events(train_output=output)["few"].train_output["seen"] == ["START_TRAINING"]
    assert fit(model, job, "PROJECT_UPDATED") is None


def test_parts_that_do_not_train_on_an_event_keep_their_files(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    model = Events()
    fit(model, TrainingJob("1", first), "START_TRAINING")
    job = TrainingJob("2", second, version(first, model.train_output))
    fit(model, job, "ANNOTATION_CREATED")
    output = fit(model, job, "ANNOTATION_CREATED")
    assert output["parts"]["few"]["weights"] == str(second / "few/weights.txt")
    assert (second / "few/weights.txt").read_text() == "START_TRAINING"
    assert (second / "all/weights.txt").read_text() == "ANNOTATION_CREATED"


def test_an_event_that_every_part_fails_at_changes_nothing(tmp_path: Path) -> None:
    staged = StagedState(MemoryState())
    with model_context(ModelContext(state=staged)):
        model = Events()
    with pytest.raises(RuntimeError, match="cannot unlearn"):
        fit(model, TrainingJob("1", tmp_path), "TASKS_DELETED")
    assert not staged.changes
    assert not any(tmp_path.iterdir())
