"""Doubtful annotations: planted errors of digits and words, several annotators, rare labels, refusals."""

import random
import shutil
from pathlib import Path
from typing import Any, cast

import pytest
from sklearn.datasets import load_digits

from evaluation.learning import PROJECT, FakeTrials, word_tasks
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import ModelLoadError, ModelProcessDied, PredictError, SettingsError
from label_studio_ml.evaluation.doubtful.doubtful_labels import DoubtfulLabels, Report, find_doubtful
from label_studio_ml.evaluation.trials.task_pool import Grouping, TaskPool
from label_studio_ml.evaluation.trials.trials import TrialFailed, Trials
from label_studio_ml.training.dataset import LabelledTasks
from label_studio_ml.versions.state.project_state import Project
from live import annotation

GALLERY = Path(__file__).parents[3] / "src" / "label_studio_ml" / "gallery" / "models"
DIGITS = Project(
    uid="1.5",
    label_config='<View><Table name="pixels" value="$pixels"/><Choices name="digit" toName="pixels">'
    + "".join(f'<Choice value="{digit}"/>' for digit in range(10))
    + "</Choices></View>",
)


def _find(
    folder: Path,
    tasks: list[dict[str, Any]],
    *,
    trials: Trials | None = None,
    project: Project = PROJECT,
    fold_count: int = 2,
    limit: int = 100,
    report: Report = lambda done, total, seconds: None,
    grouping: Grouping | None = None,
) -> DoubtfulLabels:
    pool = TaskPool(LabelledTasks(lambda: tasks, "a test"), folder, grouping or Grouping())
    found, results = find_doubtful(
        trials or FakeTrials.of(folder),
        pool,
        project,
        fold_count=fold_count,
        seed=0,
        limit=limit,
        report=report,
    )
    assert results.keys() == {doubt.task for doubt in found.doubts}
    return found


@pytest.mark.parametrize(
    ("count", "errors", "fold_count", "least"),
    [(160, 8, 2, 6), pytest.param(1797, 50, 3, 40, marks=pytest.mark.soak)],
)
def test_planted_errors_of_the_digits_are_found(
    tmp_path: Path, count: int, errors: int, fold_count: int, least: int
) -> None:
    """The gallery's tabular model on scikit-learn's digits, `errors` of which have a wrong label."""
    data, order = load_digits(), random.Random(0)
    planted = order.sample(range(1, count + 1), errors)
    tasks = []
    for number, (row, digit) in enumerate(zip(data.data[:count], data.target[:count], strict=True), 1):
        label = str((int(digit) + order.randint(1, 9)) % 10) if number in planted else str(digit)
        region = {"from_name": "digit", "to_name": "pixels", "type": "choices", "value": {"choices": [label]}}
        pixels = {f"pixel {place}": float(value) for place, value in enumerate(row)}
        tasks.append(
            {"id": number, "data": {"pixels": pixels}, "annotations": [{"id": number, "result": [region]}]}
        )
    folder = tmp_path / "backend"
    folder.mkdir()
    shutil.copy(GALLERY / "tabular" / "model.py", folder)
    settings = Settings(backend_dir=folder, model_dir=folder / "data", log_dir=folder / "logs")
    with Trials(settings, DIGITS, settings.log_dir / "evaluate.log") as trials:
        found = _find(trials.folder, tasks, trials=trials, project=DIGITS, fold_count=fold_count)
    listed = [doubt.task for doubt in found.doubts]
    assert len(set(planted) & set(listed)) >= least, "of 50, at least 80 % among the first 100"
    assert (found.tasks, found.annotations, found.failed, found.rare) == (count, count, 0, {})
    assert found.contradicted < max(180, count // 2)
    assert errors // 5 < found.likely < 2 * errors + 20


def test_each_annotators_annotation_is_compared(tmp_path: Path) -> None:
    tasks = word_tasks(60, words=6)
    tasks[3]["annotations"].insert(0, {**annotation(500, "good"), "completed_by": 7})  # another one says bad
    found = _find(tmp_path, tasks)
    (doubt,) = found.doubts
    assert (doubt.task, doubt.annotation, doubt.annotator) == (4, 1500, 7)
    assert (doubt.given, doubt.predicted) == ({"good": 1}, {"bad": 1})
    assert (doubt.doubt, doubt.likely, doubt.control, doubt.kind) == (1.0, True, "label", "choices")
    assert (found.tasks, found.annotations, found.contradicted, found.likely) == (60, 61, 1, 1)
    assert len(found.seconds) == 2
    kept = (tmp_path / "predicted.jsonl").read_bytes().splitlines()
    assert len(kept) == 1, "predictions that agree are not kept"


def test_the_list_ends_at_its_limit(tmp_path: Path) -> None:
    tasks = word_tasks(60, words=6)
    for task in tasks[:8]:
        (region,) = task["annotations"][0]["result"]
        region["value"]["choices"] = ["good" if region["value"]["choices"] == ["bad"] else "bad"]
    found = _find(tmp_path, tasks, limit=3)
    assert (len(found.doubts), found.contradicted) == (3, 8)


def test_labels_that_a_training_has_not_seen_are_not_judged(tmp_path: Path) -> None:
    """One label of a single task, and one whose tasks are all in one fold because they are a group."""
    tasks = word_tasks(60, words=6)
    tasks[5]["annotations"][0]["result"][0]["value"]["choices"] = ["odd"]
    for task in (tasks[10], tasks[20], tasks[30]):
        task["data"]["page"] = 7
        task["annotations"][0]["result"][0]["value"]["choices"] = ["strange"]
    found = _find(tmp_path, tasks, grouping=Grouping(by="page"))
    assert found.rare == {"odd": 1, "strange": 3}
    assert found.doubts == []


def test_rankings_and_labels_of_tasks_need_not_be_seen_in_a_training(tmp_path: Path) -> None:
    tasks = word_tasks(60, words=6)
    for task in tasks:
        ranking = {"from_name": "order", "to_name": "text", "type": "ranker"}
        items = {"ranker": [f"{task['id']}-a", f"{task['id']}-b"]}
        task["annotations"][0]["result"].insert(0, {**ranking, "value": items})
    tasks[5]["annotations"][0]["result"][1]["value"]["choices"] = ["odd"]
    dynamic = PROJECT.label_config.replace("<Choices ", '<Choices value="$options" ')
    found = _find(tmp_path, tasks, project=Project(uid="1.5", label_config=dynamic))
    assert found.rare == {}
    assert found.contradicted == 60


def test_a_fold_whose_process_dies_is_noted(tmp_path: Path) -> None:
    trials = FakeTrials(tmp_path)
    trials.errors = {0: ModelProcessDied("killed"), 1: ModelLoadError("no file"), 3: ModelProcessDied("gone")}
    trials.predicts = frozenset({3})
    found = _find(tmp_path, word_tasks(60, words=6), trials=cast("Trials", trials), fold_count=4)
    assert found.notes == [
        "15 tasks of fold 1 could not be compared: killed",
        "15 tasks of fold 2 could not be compared: no file",
        "8 tasks of fold 4 could not be compared: gone",
    ]
    assert (found.tasks, found.complete, len(found.seconds)) == (22, True, 1)


def test_the_last_error_if_every_fold_fails(tmp_path: Path) -> None:
    trials = FakeTrials(tmp_path)
    trials.errors = {0: TrialFailed("told to fail"), 1: ModelProcessDied("killed")}
    with pytest.raises(ModelProcessDied, match="killed"):
        _find(tmp_path, word_tasks(60), trials=cast("Trials", trials))
    (tmp_path / "unusable").mkdir()
    trials.trained_on.clear()
    trials.errors = {0: TrialFailed("no fit", unusable=True)}
    with pytest.raises(TrialFailed, match="no fit"):
        _find(tmp_path / "unusable", word_tasks(60), trials=cast("Trials", trials))
    assert len(trials.trained_on) == 1


def test_an_interrupted_search_keeps_the_folds_that_are_complete(tmp_path: Path) -> None:
    def report(done: int, total: int, seconds: float) -> None:
        if done == 1:
            raise KeyboardInterrupt

    found = _find(tmp_path, word_tasks(60), report=report)
    assert (found.complete, found.tasks, len(found.seconds)) == (False, 30, 1)


def test_too_few_tasks_and_groups(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="There are 7 labelled tasks; 2 folds need at least 8"):
        _find(tmp_path, word_tasks(7))
    (tmp_path / "one").mkdir()
    with pytest.raises(SettingsError, match="There is 1 labelled task; 2 folds need at least 8"):
        _find(tmp_path / "one", word_tasks(1))
    (tmp_path / "groups").mkdir()
    with pytest.raises(SettingsError, match="in fewer than 6 groups"):
        _find(tmp_path / "groups", word_tasks(60), fold_count=6, grouping=Grouping(by="source"))


def test_a_group_of_most_tasks_is_refused_before_the_trainings(tmp_path: Path) -> None:
    tasks = word_tasks(60)
    for task in tasks:
        task["data"]["page"] = max(task["id"], 55)
    trials = FakeTrials(tmp_path)
    with pytest.raises(
        SettingsError, match=r"55 of 60 labelled tasks are in one fold.* 4 folds needs at least 16"
    ):
        _find(
            tmp_path,
            tasks,
            trials=cast("Trials", trials),
            fold_count=5,
            grouping=Grouping(by="page"),
        )
    assert trials.trained_on == []


def test_nothing_that_can_be_compared(tmp_path: Path) -> None:
    config = PROJECT.label_config.replace("<Choices ", '<Choices perRegion="true" ')
    project = Project(uid="1.5", label_config=config)
    with pytest.raises(SettingsError, match=r"Nothing in the annotations can be compared.*perRegion"):
        _find(tmp_path, word_tasks(20), project=project)


def test_tasks_without_a_prediction(tmp_path: Path) -> None:
    tasks = word_tasks(20, words=2)
    tasks[3]["data"]["text"] = "fail"
    found = _find(tmp_path, tasks)
    assert (found.tasks, found.annotations, found.failed, found.failures) == (20, 19, 1, ["told to fail"])
    for task in tasks:
        task["data"]["text"] = "fail"
    (tmp_path / "none").mkdir()
    with pytest.raises(PredictError, match="The models predicted none of 20 tasks: told to fail"):
        _find(tmp_path / "none", tasks)
