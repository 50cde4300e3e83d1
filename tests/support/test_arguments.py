"""Wrong kinds of arguments of what users call: each is an error that names the argument and says what was meant."""
# mypy: disable-error-code="arg-type, list-item"

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml import utils
from label_studio_ml.errors import FileFetchError, LabelConfigError
from label_studio_ml.evaluation.evaluate import Assignment, save, tasks_in
from label_studio_ml.evaluation.metrics.results import Evaluation, Selection
from label_studio_ml.evaluation.task_selection import Choice
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.support.arguments import described
from label_studio_ml.training.dataset import LabelledTasks
from label_studio_ml.versions.state.project_state import Project
from live import CONFIG

TASK = {"id": 1, "data": {"text": "x", "url": "/data/upload/1/x.txt"}}

Call = Callable[[Any], object]


def _labelled(count: int = 10) -> LabelledTasks:
    annotation = {"id": 1, "result": []}
    tasks: list[dict[str, Any]] = [
        {"id": number, "data": {"text": "x"}, "annotations": [annotation]} for number in range(count)
    ]
    return LabelledTasks(lambda: tasks, "here")


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda m: m.fetch(None, "url"), "tasks must be a list of tasks, not None"),
        (lambda m: m.fetch(TASK, "url"), "tasks must be a list of tasks, not a dict"),
        (lambda m: m.fetch("abc", "url"), "tasks must be a list of tasks, not the text 'abc'"),
        (
            lambda m: m.fetch([TASK, 7], "url"),
            "element 1 of tasks must be a task, a dict with 'data' in it, not 7",
        ),
        (lambda m: m.fetch([TASK], None), "key must be the name of a field of the tasks' data, not None"),
        (
            lambda m: m.fetch([TASK], ["url"]),
            "key must be the name of a field of the tasks' data, not a list",
        ),
        (
            lambda m: m.fetch([TASK], "url", workers="4"),
            "workers must be a whole number of .*, not the text '4'",
        ),
        (lambda m: m.fetch([TASK], "url", workers=0), "workers must be a whole number of at least 1, not 0"),
        (
            lambda m: m.fetch([TASK], "url", workers=2.5),
            "workers must be a whole number of at least 1, not 2.5",
        ),
        (lambda m: m.preload_task_data(None), "task must be a task, a dict with 'data' in it, not None"),
        (lambda m: m.preload_task_data([TASK]), "task must be a task, .*, not a list"),
        (
            lambda m: m.build_label_map("label", "abc"),
            "names must be a list of the model's labels, not the text 'abc'",
        ),
        (lambda m: m.build_label_map("label", None), "names must be a list of the model's labels, not None"),
        (lambda m: m.build_label_map("label", {0: "good"}), "element 0 of names must be text, not 0"),
        (
            lambda m: m.build_label_map(["label"], ["good"]),
            "tag_name must be the name of a control tag, not a list",
        ),
        (lambda m: m.set(3, "x"), "key must be text, not 3"),
        (lambda m: m.get(None), "key must be text, not None"),
        (lambda m: m.has(3), "key must be text, not 3"),
        (
            lambda m: LabelStudioMLBase(train_output="abc"),
            "train_output must be the dict that fit returned, not the",
        ),
        (lambda m: _labelled().split(test=20), "test=20 is not a share between 0 and 1"),
        (
            lambda m: _labelled().split(test="0.2"),
            "test must be a share between 0 and 1, .*, not the text '0.2'",
        ),
        (lambda m: _labelled().split(test=None), "test must be a share between 0 and 1, .*, not None"),
        (lambda m: _labelled().split(seed=None), "seed must be a whole number or text, not None"),
        (
            lambda m: _labelled().split(by=["text"]),
            "by must be the name of a field .* or a function .*, not a list",
        ),
        (lambda m: utils.get_choice(None), "task must be a task, .*, not None"),
        (lambda m: utils.is_skipped([TASK]), "task must be a task, .*, not a list"),
        (lambda m: utils.match_labels(None, ["a"]), "text must be text, not None"),
        (lambda m: utils.match_labels("a", [1]), "element 0 of labels must be text, not 1"),
        (lambda m: utils.is_valid_url(None), "path must be the text of a URL or path, not None"),
        (lambda m: utils.is_preload_needed(3), "url must be text, not 3"),
        (lambda m: utils.InMemoryLRUDictCache("3"), "capacity must be a whole number .*, not the text '3'"),
        (lambda m: Choice(test=20), "test=20 is not a share between 0 and 1"),
        (lambda m: Choice(test="0.2"), "test must be a share between 0 and 1, .*, not the text '0.2'"),
        (lambda m: Choice(test=0.2, everything=True), "test and everything do not go together"),
    ],
)
def test_the_error_names_the_argument_and_what_was_meant(call: Call, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        call(LabelStudioMLBase(label_config=CONFIG, project_id=1))


@pytest.mark.parametrize("url", [None, 3, TASK])
def test_a_url_is_text(url: Any) -> None:
    with pytest.raises(
        FileFetchError, match=r"url must be the text of a URL .*task\['data'\]\['image'\]"
    ) as found:
        LabelStudioMLBase().get_local_path(url)
    assert found.value.field == "url"
    with pytest.raises(FileFetchError, match=r"The URL is empty\. Correct the task"):
        LabelStudioMLBase().get_local_path(" ")


@pytest.mark.parametrize(
    "call",
    [
        lambda config: LabelStudioMLBase(label_config=config),
        lambda config: LabelStudioMLBase().use_label_config(config),
        lambda config: setattr(LabelStudioMLBase(), "label_config", config),
    ],
)
@pytest.mark.parametrize("config", [{"label": {}}, b"<View/>"])
def test_a_label_config_is_text(call: Call, config: Any) -> None:
    with pytest.raises(LabelConfigError, match="label_config must be the label config's XML as text, not a "):
        call(config)


def test_what_is_right_stays_right() -> None:
    model = LabelStudioMLBase(label_config=CONFIG)
    names = {0: "good", 1: "Bad"}
    assert model.build_label_map("label", list(names.values())) == {"good": "good", "Bad": "bad"}
    assert model.build_label_map("label", iter(["good"])) == {"good": "good"}
    (file,) = model.fetch((task for task in [TASK]), "$text", workers=3)
    assert (file.task_id, file.url, file.ok) == (1, "x", False)
    assert model.fetch([], "text") == []


def test_a_split_by_a_field_that_no_task_has_is_told(caplog: pytest.LogCaptureFixture) -> None:
    train, test = _labelled().split(0.5, by="patient")
    with caplog.at_level(logging.WARNING):
        assert len(train) + len(test) == 10
    assert (
        "annotations.split(by='patient') keeps no tasks together: none has 'patient' in its data"
        in caplog.text
    )
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert sorted(len(half) for half in _labelled().split(0.5, by="text")) == [0, 10]
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("tasks", [{"id": 1}], "tasks must be LabelledTasks, as tasks_in.file. returns them, not a list"),
        ("project", "1", "project must be a Project with its label config, not the text '1'"),
        ("choice", 0.2, "choice must be a Choice, .*, not 0.2"),
        (
            "trained_ids",
            [1, 2],
            "trained_ids must be a set of task ids, or None if it is not known, not a list",
        ),
        (
            "trained_ids",
            {"1"},
            "an element of trained_ids must be a task's id, a whole number, not the text '1'",
        ),
    ],
)
def test_an_evaluation_looks_at_its_arguments_first(name: str, value: Any, text: str) -> None:
    arguments: dict[str, Any] = {
        "tasks": _labelled(),
        "project": Project(uid="1", label_config=CONFIG),
        "choice": Choice(everything=True),
        "trained_ids": None,
    }
    with pytest.raises(ValueError, match=text):
        Assignment(**{**arguments, name: value})


def test_evaluations_take_paths_as_text(tmp_path: Path) -> None:
    (tmp_path / "export.json").write_text('[{"id": 1, "data": {}, "annotations": [{"id": 2, "result": []}]}]')
    assert [task["id"] for task in tasks_in(str(tmp_path / "export.json"))] == [1]
    evaluation = Evaluation(
        project="1",
        version="v",
        created="",
        source="",
        tasks=Selection(how="all"),
        failed=0,
        failures=[],
        controls={},
        not_measured={},
    )
    save(evaluation, str(tmp_path / "out"))
    assert (tmp_path / "out" / "evaluation.json").is_file()


def test_values_are_described_shortly() -> None:
    assert described("x" * 100) == f"the text '{'x' * 40}…'"
    assert [described(value) for value in (True, 1.5, [1], b"x")] == ["True", "1.5", "a list", "a bytes"]
