"""Advice for failures of trainings."""

import pytest

from label_studio_ml.training.overview.failure_advice import advice_for


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (
            "OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB (model.py, line 9)",
            "The graphics card has",
        ),
        (
            "the training process was killed by SIGKILL (out of memory?) in fit; its log is …",
            "The machine has too",
        ),
        ("MemoryError (model.py, line 3)", "The machine has too"),
        ("[Errno 28] No space left on device. The disk of /data is full: make room on it", "A disk is full"),
        ("fit ran longer than 10 s (fit_timeout): ended by SIGTERM", "The training took longer"),
        ("ModuleNotFoundError: No module named 'torch' (model.py, line 1)", "A Python package is missing"),
        (
            "Project 1.2 has no label config yet, and Model needs one: KeyError",
            "The project has no label config",
        ),
        (
            "Model has no fit method: there is nothing to train. Define fit",
            "The model class cannot be trained",
        ),
        ("its worker ended before it did; its events went to job 1", "The worker ended"),
        (
            "the training process was killed by SIGSEGV in fit; its log is logs/jobs/1.log",
            "The training process",
        ),
        ("Training needs tasks with at least 2 different values of kind", "The annotations are too few"),
        ("ValueError: a text that nobody foresaw (model.py, line 7)", "The model's fit raised an error"),
        ("something else", "The training failed"),
    ],
)
def test_each_kind_of_failure_has_advice(error: str, cause: str) -> None:
    advice = advice_for(error, "my backend")
    assert advice is not None
    assert advice.cause.startswith(cause)
    assert advice.fix


def test_commands_name_the_folder() -> None:
    advice = advice_for("ImportError: libGL.so.1", "my backend")
    assert advice is not None
    assert advice.fix.endswith("label-studio-ml start 'my backend'")


def test_no_error_needs_no_advice() -> None:
    assert advice_for("") is None
