"""Searches of the real scikit-learn: what they report, that they find the same, and how they are stopped."""

import pickle
from typing import Any

import pytest

from label_studio_ml.callbacks import fit_search
from label_studio_ml.errors import TrainingCancelled
from label_studio_ml.training.job import Report, TrainingJob

pytestmark = pytest.mark.filterwarnings("ignore")  # those of scikit-learn about estimators that were stopped

ROWS = [[float(number % 7), float(number % 5)] for number in range(60)]
CLASSES = [int(row[0] > 3) for row in ROWS]


def _grid(jobs: int = 1, **options: Any) -> Any:
    from sklearn.model_selection import GridSearchCV
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(random_state=0)
    return GridSearchCV(tree, {"max_depth": [1, 2, 3, 4]}, cv=3, n_jobs=jobs, **options)


def _halving() -> Any:
    from sklearn.experimental import enable_halving_search_cv
    from sklearn.model_selection import HalvingGridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    assert enable_halving_search_cv is not None
    model = make_pipeline(StandardScaler(), DecisionTreeClassifier(random_state=0))
    grid = {"decisiontreeclassifier__max_depth": [1, 2, 3, 4, 5, 6]}
    return HalvingGridSearchCV(model, grid, cv=2, factor=2, random_state=0, min_resources=15)


def _job(reports: list[Report], limit: int | None = None) -> TrainingJob:
    """Return a job that is cancelled after `limit` reports."""
    return TrainingJob(report=reports.append, asked=lambda: limit is not None and len(reports) >= limit)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_search_reports_its_fits_and_scores(jobs: int) -> None:
    reports: list[Report] = []
    job = _job(reports)
    search = fit_search(job, _grid(jobs), ROWS, CLASSES)
    shares = [report.progress for report in reports if report.progress is not None]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    messages = [report.message for report in reports if report.progress is not None]
    assert messages[0] == "fit 1 of 12"
    assert "fit 12 of 12" in messages
    points = job.history.points()
    assert [point["step"] for point in points] == [0, 1, 2, 3]
    assert [point["mean_test_score"] for point in points] == list(search.cv_results_["mean_test_score"])


def test_a_halving_search_reports_its_rounds() -> None:
    reports: list[Report] = []
    job = _job(reports)
    search = fit_search(job, _halving(), ROWS, CLASSES)
    messages = [report.message or "" for report in reports if report.progress is not None]
    assert search.n_iterations_ > 1
    assert f"round 1 of {search.n_iterations_}" in messages[0]
    assert f"round {search.n_iterations_} of {search.n_iterations_}" in messages[-2]
    assert len(job.history.points()) == len(search.cv_results_["params"])


@pytest.mark.parametrize("make", [_grid, _halving])
def test_a_reported_search_finds_the_same_and_can_be_saved(make: Any) -> None:
    search, plain = fit_search(TrainingJob(), make(), ROWS, CLASSES), make().fit(ROWS, CLASSES)
    assert search.best_params_ == plain.best_params_
    assert search.best_score_ == plain.best_score_
    assert list(search.cv_results_["mean_test_score"]) == list(plain.cv_results_["mean_test_score"])
    assert pickle.loads(pickle.dumps(search)).predict(ROWS[:1]) == plain.predict(ROWS[:1])
    assert vars(search).keys() == vars(plain).keys()
    assert vars(search.estimator).keys() == vars(plain.estimator).keys()


def test_several_scorers_have_a_metric_each() -> None:
    job = TrainingJob()
    fit_search(job, _grid(scoring=["accuracy", "f1"], refit="f1"), ROWS, CLASSES)
    assert set(job.metrics) == {"mean_test_accuracy", "mean_test_f1"}


def test_a_cancelled_search_stops_before_the_next_fit() -> None:
    reports: list[Report] = []
    with pytest.raises(TrainingCancelled):
        fit_search(_job(reports, 5), _grid(), ROWS, CLASSES)
    assert len(reports) == 5


def test_a_cancelled_search_with_processes_stops() -> None:
    reports: list[Report] = []
    search = _grid(2, return_train_score=False)
    search.param_grid = {"max_depth": list(range(1, 60))}
    with pytest.raises(TrainingCancelled):
        fit_search(_job(reports, 8), search, ROWS, CLASSES)
    assert len([report for report in reports if report.progress is not None]) < 20
    assert "_run_search" not in vars(search)


def test_errors_of_the_search_stay_its_own() -> None:
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        fit_search(TrainingJob(), _grid(), ROWS, CLASSES[:-1])
