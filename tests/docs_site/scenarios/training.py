"""docs/training.md, docs/versions.md and docs/development.md: `fit` and what it reports."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from label_studio_ml.model_calls.adapter import describe_class
from label_studio_ml.training.job import TrainingJob

from ..snippets import Snippet, scenario
from .material import MOODS


class StandInTorch:
    """torch's `save`, which writes what it is given as text."""

    @staticmethod
    def save(state: Any, path: Path) -> None:
        path.write_text(str(state))


@scenario("docs/training.md", "loss = self.one_epoch(annotations)")
def a_fit_that_reports(snippet: Snippet) -> None:
    model = snippet.model(
        MOODS,
        globals={"torch": StandInTorch},
        one_epoch=lambda self, annotations: 0.25,
        measure=lambda self: 0.9,
        net=SimpleNamespace(state_dict=lambda: {"w": 1}),
    )
    reports: list[Any] = []
    job = TrainingJob(workdir=snippet.folder, report=reports.append)
    assert model.fit([], job=job) == {"accuracy": 0.9}
    assert job.metrics == {"loss": 0.25}
    assert (snippet.folder / "weights.pt").read_text() == "{'w': 1}"
    assert [each.message for each in reports if each.message][-1] == "epoch 10 of 10"
    assert model.fit([], job=TrainingJob(asked=lambda: True)) is None


@scenario("docs/versions.md", 'promote_if = "accuracy >= current"')
def a_class_with_a_gate(snippet: Snippet) -> None:
    my_model = snippet.run(path="weights.pt")["MyModel"]
    assert describe_class(my_model).promote_if == "accuracy >= current"
    assert my_model(label_config=MOODS).fit([], snippet.folder) == {"weights": "weights.pt", "accuracy": 0.91}


@scenario("docs/development.md", "@pytest.mark.parametrize(")
def a_matrix_with_soak_tests(snippet: Snippet) -> None:
    found = snippet.run(pytest=pytest, STEPS=["first", "second"], ALWAYS={"first"})
    (mark,) = found["test_no_event_is_lost"].pytestmark
    assert [[each.name for each in case.marks] for case in mark.args[1]] == [[], ["soak"]]
