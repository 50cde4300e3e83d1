"""Which of a library's metrics are reported."""

from label_studio_ml.callbacks.reported_values import numbers_of


def test_numbers_and_what_can_be_one_are_reported() -> None:
    import numpy

    metrics = {
        "loss": 1,
        "one": numpy.array([0.5]),
        "several": numpy.array([1.0, 2.0]),
        "text": "1",
        "flag": True,
        "none": None,
    }
    assert numbers_of(metrics) == {"loss": 1.0, "one": 0.5}
