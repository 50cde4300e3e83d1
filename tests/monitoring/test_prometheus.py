"""The metrics of one server in Prometheus' text format."""

from label_studio_ml.monitoring.counters import Counts
from label_studio_ml.monitoring.prometheus import OUTCOMES, ServerFigures, Training, render


def _lines(counts: Counts, figures: ServerFigures) -> list[str]:
    return [
        line for line in render(counts, figures).decode().splitlines() if line.startswith("label_studio_ml")
    ]


def test_counters_and_histograms_have_their_labels() -> None:
    counts = Counts()
    counts.request("/predict", 200, 0.2)
    counts.request("/predict", 500, 3.0)
    counts.batches.observe(3)
    counts.error("store")
    lines = _lines(counts, ServerFigures("1.2"))
    assert 'label_studio_ml_build_info{version="1.2"} 1.0' in lines
    assert 'label_studio_ml_requests_total{route="/predict",status="500"} 1.0' in lines
    assert 'label_studio_ml_request_seconds_bucket{le="0.25",route="/predict"} 1.0' in lines
    assert 'label_studio_ml_request_seconds_count{route="/predict"} 2.0' in lines
    assert "label_studio_ml_batch_tasks_sum 3.0" in lines
    assert 'label_studio_ml_errors_total{part="store"} 1.0' in lines
    assert 'label_studio_ml_errors_total{part="model"} 0.0' in lines


def test_gauges_are_of_the_moment() -> None:
    figures = ServerFigures("1", queue=2, served=[("7", "3")], up={"model": True, "store": False})
    lines = _lines(Counts(), figures)
    assert "label_studio_ml_queue_requests 2.0" in lines
    assert 'label_studio_ml_served_version_info{project="7",version="3"} 1.0' in lines
    assert 'label_studio_ml_up{part="store"} 0.0' in lines


def test_figures_of_trainings_are_left_out_while_redis_cannot_be_asked() -> None:
    assert not [line for line in _lines(Counts(), ServerFigures("1")) if "training_runs" in line]


def test_every_outcome_of_trainings_is_there_from_the_start() -> None:
    lines = _lines(Counts(), ServerFigures("1", training=Training(runs={"finished": 2, "odd": 1})))
    runs = {line.split('"')[1]: line.split()[-1] for line in lines if "training_runs_total" in line}
    assert runs == {**dict.fromkeys(OUTCOMES, "0.0"), "finished": "2.0", "odd": "1.0"}
