"""Exactly one entry per task, in order, whatever `predict` does."""

import itertools
import json
import logging
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from label_studio_sdk.label_interface import LabelInterface

from helpers import name_of, strict
from label_studio_ml.config.setting_values import InvalidPredictions
from label_studio_ml.errors import StudioError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_api.model_context import ModelContext, model_context
from label_studio_ml.model_calls.adapter import ModelSpec
from label_studio_ml.model_calls.predictor import Answer, Predictor, Request
from label_studio_ml.protocol.prediction_json import ODD_SCORES, is_nothing
from label_studio_ml.response import ModelResponse, PredictionValue
from label_studio_ml.versions.state.project_state import Project
from values import LyingSequence, Unwilling, predictions, values

Tasks = list[dict[str, Any]]


def good(task: dict[str, Any]) -> dict[str, Any]:
    """Return a prediction that tells which task it is for."""
    return {"result": [{"task": task["id"]}], "score": 0.5, "model_version": "own"}


class Asked:
    """A predictor whose `predict` is a function, and the calls that function got."""

    def __init__(self, predict: Callable[[Tasks], Any], version: str = "v7") -> None:
        calls: list[list[int]] = []

        class Model(LabelStudioMLBase):
            def predict(self, tasks: Tasks, *args: Any, **kwargs: Any) -> Any:
                calls.append([task["id"] for task in tasks])
                return predict(tasks)

        self.calls = calls
        spec = ModelSpec(project=Project(uid="1.2"), version=version)
        self.predictor = Predictor(Model(), spec)

    def __call__(
        self, *sizes: int, interactive: bool = False, context: dict[str, Any] | None = None
    ) -> list[Answer]:
        """Answer requests with so many tasks each, their ids counted through."""
        ids = itertools.count()
        params = json.dumps({"context": context} if context else {}).encode()
        interactive = interactive or bool(context)
        requests = [
            Request(json.dumps([{"id": next(ids)} for _ in range(size)]).encode(), params, interactive)
            for size in sizes
        ]
        return self.predictor.answer(requests)

    def entries(self, size: int) -> list[Any]:
        """Return the entries for one request of so many tasks."""
        [answer] = self(size)
        assert answer.error == ""
        got: list[Any] = strict(answer.results)
        assert len(got) == size
        return got


def test_one_entry_per_task_in_their_order() -> None:
    asked = Asked(lambda tasks: [good(task) for task in tasks])
    entries = asked.entries(3)
    assert [entry["result"][0]["task"] for entry in entries] == [0, 1, 2]
    assert asked.calls == [[0, 1, 2]]


def test_the_version_is_the_served_one() -> None:
    asked = Asked(lambda tasks: [good(tasks[0]), {"result": []}, {"result": [], "model_version": None}, {}])
    assert {entry["model_version"] for entry in asked.entries(4)} == {"v7"}


@pytest.mark.parametrize(
    "returned",
    [
        lambda tasks: (good(task) for task in tasks),
        lambda tasks: map(good, tasks),
        lambda tasks: tuple(good(task) for task in tasks),
        lambda tasks: {"predictions": [good(task) for task in tasks]},
        lambda tasks: {"results": [good(task) for task in tasks]},
        lambda tasks: np.array([good(task) for task in tasks], dtype=object),
        lambda tasks: [[good(task)] for task in tasks],
        lambda tasks: [good(tasks.pop(0)) for _ in range(len(tasks))],
    ],
    ids=["generator", "map", "tuple", "predictions", "results", "array", "lists", "list emptied"],
)
def test_every_collection_will_do(returned: Any) -> None:
    asked = Asked(returned)
    entries = asked.entries(3)
    flat = [entry[0] if isinstance(entry, list) else entry for entry in entries]
    assert [entry["result"][0]["task"] for entry in flat] == [0, 1, 2]
    assert asked.calls == [[0, 1, 2]]


@pytest.mark.parametrize(
    "returned",
    [
        lambda tasks: None if len(tasks) > 1 else [good(tasks[0])],
        lambda tasks: [good(tasks[0])],
        lambda tasks: [good(task) for task in tasks] + ([good(tasks[0])] if len(tasks) > 1 else []),
        lambda tasks: good(tasks[0]),
        lambda tasks: itertools.repeat(good(tasks[0])) if len(tasks) > 1 else [good(tasks[0])],
        lambda tasks: {task["id"]: good(task) for task in tasks} if len(tasks) > 1 else [good(tasks[0])],
        lambda tasks: LyingSequence() if len(tasks) > 1 else [good(tasks[0])],
        lambda tasks: Unwilling() if len(tasks) > 1 else [good(tasks[0])],
        lambda tasks: [good(tasks.pop())] if len(tasks) == 1 else 3,
    ],
    ids=["None", "too few", "too many", "one dict", "endless", "by id", "lying", "unwilling", "number"],
)
def test_what_does_not_fit_is_asked_for_task_by_task(returned: Any) -> None:
    asked = Asked(returned)
    entries = asked.entries(3)
    assert asked.calls == [[0, 1, 2], [0], [1], [2]]
    if all("result" in entry for entry in entries):
        assert [entry["result"][0]["task"] for entry in entries] == [0, 1, 2]


@pytest.mark.parametrize(
    "returned",
    [
        *(3, "text", b"bytes", object()),
        *([None] * 3, [3] * 3, ["a"] * 3, [{}] * 3, [set()] * 3, [[None]] * 3),
        *([{"result": "text"}] * 3, [{"score": 1}] * 3),
    ],
    ids=name_of,
)
def test_a_useless_return_value_loses_no_batch(returned: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        entries = Asked(lambda _: returned).entries(3)
    assert all(set(entry) == {"error", "model_version"} for entry in entries)
    assert caplog.text.count("has no prediction") == 3


@pytest.mark.parametrize("interactive", [False, True])
@pytest.mark.parametrize(
    "returned",
    [None, [], (), {}, {"predictions": []}, {"results": []}, ModelResponse(predictions=[])],
    ids=["None", "list", "tuple", "dict", "predictions", "results", "ModelResponse"],
)
def test_nothing_to_say_is_an_empty_answer_and_no_error(
    returned: Any, interactive: bool, caplog: pytest.LogCaptureFixture
) -> None:
    asked = Asked(lambda _: returned)
    with caplog.at_level(logging.WARNING):
        assert asked(1, interactive=interactive) == [Answer(results=b"[]")]
        assert asked(3, 2) == [Answer(results=b"[]"), Answer(results=b"[]")]
    assert caplog.text == ""


def test_a_model_with_nothing_to_say_is_soon_asked_once_for_each_call() -> None:
    asked = Asked(lambda _: [])
    asked(3)
    assert asked.calls == [[0, 1, 2], [0], [1], [2]]
    asked.calls.clear()
    asked(2, 1)
    assert asked.calls == [[0, 1, 2]]


def test_nothing_to_say_of_one_task_among_others_is_said_in_its_entry() -> None:
    asked = Asked(lambda tasks: [] if len(tasks) > 1 or tasks[0]["id"] == 1 else [good(tasks[0])])
    entries = asked.entries(3)
    assert ["result" in entry for entry in entries] == [True, False, True]
    assert entries[1]["error"] == "predict returned 0 predictions for 1 task"


CONFIG = """<View><Image name="img" value="$image"/><RectangleLabels name="box" toName="img">
<Label value="cat"/><Label value="dog"/></RectangleLabels></View>"""
BOX = {"x": 1.0, "y": 2.0, "width": 3.0, "height": 4.0}


def box(label: str, **changes: Any) -> dict[str, Any]:
    """Return a region of `CONFIG` with some fields changed."""
    value = {**BOX, "rectanglelabels": [label]}
    return {"from_name": "box", "to_name": "img", "type": "rectanglelabels", "value": value, **changes}


class TestAScoreThatIsNoShareOfOne:
    """Label Studio stores it and shows it times 100, as a percentage."""

    @pytest.mark.parametrize(("score", "shown"), [(95, "9500 %"), (1.5, "150 %"), (-0.25, "-25 %")])
    @pytest.mark.parametrize("interactive", [False, True])
    def test_is_sent_and_counted_for_each_task_and_logged_once(
        self, score: float, shown: str, interactive: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        asked = Asked(
            lambda tasks: [{"result": [], "score": score if task["id"] < 2 else 0.5} for task in tasks]
        )
        answers = [asked(3, interactive=interactive)[0] for _ in range(2)]
        for answer in answers:
            assert [entry["score"] for entry in strict(answer.results)] == [score, score, 0.5]
            assert (answer.refused, answer.failed) == ({ODD_SCORES: 2}, 0)
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert f"Task 0: the score {score:g} is not between 0 and 1" in record.getMessage()
        assert f"Label Studio shows it as {shown}" in record.getMessage()

    @pytest.mark.parametrize("score", [0, 1, 0.5, 1.0])
    def test_is_none_of_these(self, score: float, caplog: pytest.LogCaptureFixture) -> None:
        [answer] = Asked(lambda tasks: [{"result": [], "score": score} for _ in tasks])(2)
        assert answer.refused == {}
        assert not caplog.records


class TestWhatTheLabelConfigDoesNotAllow:
    def asked(self, regions: Callable[[int], Any], *, refuse: bool = True) -> Asked:
        """Return a predictor whose prediction for task N has the regions `regions(N)`."""
        asked = Asked(lambda tasks: [{"result": regions(task["id"]), "score": 0.5} for task in tasks])
        spec = ModelSpec(project=Project(uid="1.2", label_config=CONFIG), version="v7")
        asked.predictor = Predictor(
            asked.predictor.model, spec, mode=InvalidPredictions.REFUSE if refuse else InvalidPredictions.SEND
        )
        return asked

    def test_a_task_whose_label_is_unknown_gets_the_cause_and_the_others_their_prediction(self) -> None:
        entries = self.asked(lambda task: [box("lion" if task == 1 else "cat")]).entries(3)
        assert ["result" in entry for entry in entries] == [True, False, True]
        assert entries[1]["error"] == (
            "the prediction does not fit the label config: region 0 of 'box': "
            "the label 'lion' is not in the label config (it has: cat, dog)"
        )

    def test_it_is_counted_for_each_task_and_logged_once(self, caplog: pytest.LogCaptureFixture) -> None:
        asked = self.asked(lambda task: [box("lion")])
        with caplog.at_level(logging.ERROR):
            [answer] = asked(3)
            asked(2)
        kind = "regions of 'box': the label 'lion' is not in the label config (it has: cat, dog)"
        assert answer.refused == {kind: 3}
        assert caplog.text.count("lion") == 1

    def test_it_is_sent_where_that_is_asked_for(self) -> None:
        asked = self.asked(lambda task: [box("lion")], refuse=False)
        [answer] = asked(1)
        assert strict(answer.results)[0]["result"] == [box("lion")]
        assert sum(answer.refused.values()) == 1

    def test_an_interactive_request_gets_the_cause(self) -> None:
        [answer] = self.asked(lambda task: [box("cat", from_name="other")])(1, interactive=True)
        assert "no control with this from_name (it has: box)" in answer.error

    def test_a_message_to_the_page_is_sent_in_an_interactive_request_only(self) -> None:
        message = {"type": "track_started", "value": {"total_frames": 3}}
        asked = self.asked(lambda task: [message])
        [answer] = asked(1, interactive=True)
        assert (strict(answer.results)[0]["result"], answer.refused) == ([message], {})
        [entry] = asked.entries(1)
        assert "no control with this from_name" in entry["error"]

    def test_what_answers_an_event_of_the_page_is_sent_as_it_is(self) -> None:
        """The interactive video example sends a mask as a preview, whatever the control is."""
        preview = {"type": "bitmask", "from_name": "box", "to_name": "img", "value": {"imageDataURL": "x"}}
        asked = self.asked(lambda task: [preview])
        [answer] = asked(1, context={"event": "predict", "result": []})
        assert (strict(answer.results)[0]["result"], answer.refused) == ([preview], {})
        [answer] = asked(1, context={"result": [box("cat")]})
        assert "type 'bitmask' does not match the control, a <rectanglelabels>" in answer.error

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK's own, on pydantic
    def test_regions_of_the_sdk_are_checked_as_they_are_sent(self) -> None:
        control = LabelInterface(CONFIG).get_control("box")
        good_region, bad_region = control.label("cat", **BOX), control.label("cat", **BOX)
        bad_region.value.rectanglelabels = ["lion"]
        entries = self.asked(lambda task: [bad_region if task else good_region]).entries(2)
        assert ["result" in entry for entry in entries] == [True, False]
        assert entries[0]["result"][0]["value"]["rectanglelabels"] == ["cat"]


def test_a_score_that_the_sdk_filled_in_gives_way_to_the_regions_scores() -> None:
    scored = [{"from_name": "a", "score": 0.9}, {"from_name": "b", "score": 0.7}]
    response = ModelResponse(predictions=[PredictionValue(result=scored)])
    [entry] = Asked(lambda _: response).entries(1)
    assert entry["score"] == pytest.approx(0.8)
    stated = ModelResponse(predictions=[PredictionValue(result=scored, score=0.0)])
    [entry] = Asked(lambda _: stated).entries(1)
    assert entry["score"] == 0.0


def boom(bad: int, error: BaseException) -> Callable[[Tasks], Any]:
    """Return a `predict` that raises whenever it is asked for the task `bad`."""

    def predict(tasks: Tasks) -> Any:
        if any(task["id"] == bad for task in tasks):
            raise error
        return [good(task) for task in tasks]

    return predict


class Mute(Exception):
    """An exception that cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


ERRORS = [
    ValueError("bad image"),
    KeyError("x"),
    SystemExit("no weights"),
    KeyboardInterrupt(),
    StopIteration(),
    GeneratorExit(),
    MemoryError(),
    RecursionError("deep"),
    Mute(),
    ValueError("a\ud800"),
    ExceptionGroup("several", [ValueError("x")]),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_for_one_task_of_a_hundred_leaves_99(error: BaseException) -> None:
    entries = Asked(boom(42, error)).entries(100)
    assert [number for number, entry in enumerate(entries) if "result" not in entry] == [42]
    assert type(error).__name__ in entries[42]["error"]
    assert entries[42]["model_version"] == "v7"


def test_a_generator_that_fails_on_the_way_is_asked_task_by_task() -> None:
    def predict(tasks: Tasks) -> Any:
        for task in tasks:
            if task["id"] == 1:
                raise ValueError("bad image")
            yield good(task)

    assert ["result" in entry for entry in Asked(predict).entries(3)] == [True, False, True]


def test_an_exception_in_the_place_of_a_prediction_fails_its_task_without_a_second_call() -> None:
    asked = Asked(lambda tasks: [OSError("quota") if task["id"] == 1 else good(task) for task in tasks])
    entries = asked.entries(3)
    assert ["result" in entry for entry in entries] == [True, False, True]
    assert entries[1]["error"] == "OSError: quota"
    assert asked.calls == [[0, 1, 2]]


def test_exceptions_in_the_place_of_all_predictions_are_an_error_of_the_request() -> None:
    asked = Asked(lambda tasks: [OSError("quota") for _ in tasks])
    [answer] = asked(2)
    assert (answer.error, answer.failed) == ("OSError: quota", 2)
    assert asked.calls == [[0, 1]]


def test_an_entry_that_raises_when_it_is_read_costs_only_its_own_task() -> None:
    def predict(tasks: Tasks) -> Any:
        return [Unwilling() if task["id"] == 1 else good(task) for task in tasks]

    assert ["result" in entry for entry in Asked(predict).entries(3)] == [True, False, True]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_when_predict_raises_for_every_task_the_answer_is_the_cause(error: BaseException) -> None:
    def predict(tasks: Tasks) -> Any:
        raise error

    [answer] = Asked(predict)(3)
    assert type(error).__name__ in answer.error
    assert answer.failed == 3
    assert not answer.invalid
    assert not answer.results


def test_the_cause_names_the_line_of_the_users_file() -> None:
    [answer] = Asked(boom(0, ValueError("bad\nimage")))(1)
    assert answer.error.startswith("ValueError: bad image (test_predictor.py, line ")


def test_a_single_task_that_fails_is_asked_once() -> None:
    asked = Asked(boom(0, ValueError("x")))
    asked(1)
    assert asked.calls == [[0]]


def test_an_interactive_request_gets_one_object_or_the_cause() -> None:
    several = Asked(lambda tasks: [[good(task), good(task)] for task in tasks])
    [answer] = several(1, interactive=True)
    assert strict(answer.results)[0]["result"] == [{"task": 0}]
    [answer] = Asked(lambda _: 3)(1, interactive=True)
    assert answer.error == "predict returned int, not one prediction for each of 1 task"


def test_no_tasks_are_no_call() -> None:
    asked = Asked(lambda _: 1 / 0)
    [answer] = asked(0)
    assert strict(answer.results) == []
    assert asked.calls == []


class TestTogether:
    def test_requests_are_one_call_and_each_gets_its_own(self) -> None:
        asked = Asked(lambda tasks: [good(task) for task in tasks])
        answers = asked(2, 1, 0, 3)
        assert asked.calls == [[0, 1, 2, 3, 4, 5]]
        got = [[entry["result"][0]["task"] for entry in strict(answer.results)] for answer in answers]
        assert got == [[0, 1], [2], [], [3, 4, 5]]

    def test_a_wrong_count_asks_each_request_alone(self) -> None:
        asked = Asked(lambda tasks: [good(task) for task in tasks] if len(tasks) < 3 else [])
        answers = asked(2, 1)
        assert asked.calls == [[0, 1, 2], [0, 1], [2]]
        assert [len(strict(answer.results)) for answer in answers] == [2, 1]

    def test_an_error_of_one_request_is_not_the_others(self) -> None:
        asked = Asked(boom(1, ValueError("bad image")))
        answers = asked(1, 1, 1)
        assert [bool(answer.error) for answer in answers] == [False, True, False]
        assert asked.calls == [[0, 1, 2], [0], [1], [2]]

    def test_a_bad_task_of_one_request_costs_only_that_task(self) -> None:
        asked = Asked(boom(1, ValueError("bad image")))
        first, second = asked(3, 2)
        assert ["result" in entry for entry in strict(first.results)] == [True, False, True]
        assert ["result" in entry for entry in strict(second.results)] == [True, True]
        assert asked.calls == [[0, 1, 2, 3, 4], [0, 1, 2], [0], [1], [2], [3, 4]]

    @pytest.mark.parametrize("tasks", [b"not json", b'[{"id": "\xff"}]', b"[" * 100_000, b'[{"id": 1e}]'])
    def test_tasks_that_are_not_json_are_that_requests_own_fault(self, tasks: bytes) -> None:
        asked = Asked(lambda tasks: [good(task) for task in tasks])
        bad, fine = asked.predictor.answer([Request(tasks, b"{}"), Request(b'[{"id": 5}]', b"{}")])
        assert bad.invalid
        assert "not JSON" in bad.error
        assert strict(fine.results)[0]["result"] == [{"task": 5}]
        assert asked.calls == [[5]]


class TestLearned:
    def test_a_class_that_takes_one_request_at_a_time_is_not_tried_with_more_again(self) -> None:
        def only_two(tasks: Tasks) -> Any:
            return [good(task) for task in tasks][:2]

        asked = Asked(only_two)
        asked(2, 2)
        assert asked.calls == [[0, 1, 2, 3], [0, 1], [2, 3]]
        answers = asked(2, 2)
        assert asked.calls[3:] == [[0, 1], [2, 3]]
        assert [len(strict(answer.results)) for answer in answers] == [2, 2]

    def test_a_class_that_takes_one_task_at_a_time_is_not_tried_with_more_again(self) -> None:
        asked = Asked(lambda tasks: [good(tasks[0])])
        asked.entries(3)
        assert asked.calls == [[0, 1, 2], [0], [1], [2]]
        assert [entry["result"][0]["task"] for entry in asked.entries(3)] == [0, 1, 2]
        assert asked.calls[4:] == [[0], [1], [2]]

    def test_an_error_or_one_bad_task_teaches_nothing(self) -> None:
        def without_seven(tasks: Tasks) -> Any:
            return [good(task) for task in tasks if task["id"] != 7]

        asked = Asked(without_seven)
        asked(4, 4)
        asked.calls.clear()
        asked(3, 3)
        assert asked.calls == [[0, 1, 2, 3, 4, 5]]


def test_params_reach_predict_as_its_signature_asks() -> None:
    seen: list[Any] = []

    class Later(LabelStudioMLBase):
        def predict(self, tasks: Tasks, context: Any = "unset", **kwargs: Any) -> Any:
            seen.append((context, kwargs))
            return [good(task) for task in tasks]

    class Narrow(LabelStudioMLBase):
        def predict(self, tasks: Tasks) -> Any:  # type: ignore[override]
            seen.append("narrow")
            return [good(task) for task in tasks]

    spec = ModelSpec(project=Project(uid="1"))
    params = b'{"context": {"result": []}, "login": "me", "password": null}'
    for cls in (Later, Narrow):
        Predictor(cls(), spec).answer([Request(b'[{"id": 1}]', params)])
    Predictor(Later(), spec).answer([Request(b'[{"id": 1}]', b"{}")])
    assert seen == [({"result": []}, {"login": "me", "password": None}), "narrow", (None, {})]


@pytest.mark.parametrize("name", ["tasks", "self", "helper"])
def test_a_param_with_an_odd_name_is_no_500(name: str) -> None:
    asked = Asked(lambda tasks: [good(task) for task in tasks])
    [answer] = asked.predictor.answer([Request(b'[{"id": 1}]', json.dumps({name: 1}).encode())])
    assert answer.error == ""


def test_a_failure_is_told_with_its_traceback_the_first_time_only(caplog: pytest.LogCaptureFixture) -> None:
    asked = Asked(boom(0, ValueError("bad image")))
    with caplog.at_level(logging.WARNING):
        asked(1)
        asked(1)
    tracebacks = [record for record in caplog.records if record.exc_info]
    assert len(tracebacks) == 1
    assert caplog.text.count("predict of 1 task failed") == 2


def test_an_error_that_says_what_to_do_is_told_without_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    asked = Asked(boom(0, StudioError("a file cannot be fetched", fix="Set LABEL_STUDIO_URL")))
    with caplog.at_level(logging.WARNING):
        asked(1)
    assert "a file cannot be fetched" in caplog.text
    assert not any(record.exc_info for record in caplog.records)


def test_what_was_told_is_not_kept_without_end() -> None:
    numbers = itertools.count()

    def predict(tasks: Tasks) -> Any:
        raise ValueError(f"number {next(numbers)}")

    asked = Asked(predict)
    for _ in range(300):
        asked(1)
    assert sys.getsizeof(asked.predictor._logged) < 20_000


class TestVersion:
    def test_an_untrained_seed_class_is_initial(self) -> None:
        class Seed(LabelStudioMLBase):
            def fit(self, annotations: Any, **kwargs: Any) -> Any:  # type: ignore[override]
                return {}

        assert Predictor(Seed(), ModelSpec(project=Project(uid="1"))).version == "INITIAL"

    def test_an_untrained_event_class_is_what_its_setup_says(self) -> None:
        class Event(LabelStudioMLBase):
            def setup(self) -> None:
                self.set("model_version", "Mine-1")

            def fit(self, event: Any, data: Any = None, **kwargs: Any) -> Any:
                return None

        assert Predictor(Event(), ModelSpec(project=Project(uid="1"))).version == "Mine-1"

    @pytest.mark.parametrize("trained", ["", "0.0.7"])
    def test_a_name_that_predict_sets_counts_from_that_answer_on(self, trained: str) -> None:
        class Renames(LabelStudioMLBase):
            def setup(self) -> None:
                self.set("model_version", "0.0.1")

            def predict(self, tasks: Any, context: Any = None, **kwargs: Any) -> Any:
                if name := tasks[0]["data"].get("name"):
                    self.set("model_version", name)
                return [{"result": [], "seen": self.get("model_version")} for _ in tasks]

        spec = ModelSpec(project=Project(uid="1"), version=trained)
        with model_context(ModelContext(version=trained)):
            model = Renames(model_version=trained or None)
        predictor = Predictor(model, spec)
        before = trained or "0.0.1"
        for name, version, told in (("", before, ""), ("p-2", "p-2", "p-2"), ("", "p-2", "p-2")):
            task = {"id": 1, "data": {"name": name}}
            (answer,) = predictor.answer([Request(json.dumps([task]).encode(), b"{}")])
            (entry,) = json.loads(answer.results)
            assert (entry["model_version"], entry["seen"], answer.version) == (version, version, told)
            assert (predictor.version, model.model_version) == (version, version)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=150)
@given(st.data())
def test_any_return_value_gives_one_strict_entry_per_task(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 4))
    returned = data.draw(st.lists(predictions | values, min_size=size, max_size=size) | values)
    logging.disable(logging.CRITICAL)
    try:
        first, second = Asked(lambda _: returned)(size, size)
    finally:
        logging.disable(logging.NOTSET)
    for answer in (first, second):
        assert answer.error == ""
        entries = strict(answer.results)
        assert len(entries) == (0 if is_nothing(returned) else size)
        for entry in entries:
            for one in entry if isinstance(entry, list) else [entry]:
                assert one["model_version"] == "v7"
                assert isinstance(one["result"], list) if "result" in one else one["error"]
