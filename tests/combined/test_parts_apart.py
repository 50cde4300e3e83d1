"""What parts of a combined model may do, and the others do not notice."""

import logging
from pathlib import Path
from typing import Any, ClassVar

import pytest

from label_studio_ml.combined import Combined, Part
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import NoLabelConfig, ParamsError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_calls.adapter import ModelSpec, build, describe_class
from label_studio_ml.params import Param
from label_studio_ml.versions.state.key_values import MemoryState
from label_studio_ml.versions.state.project_state import Project

Json = dict[str, Any]


def region(name: str, **fields: Any) -> Json:
    return {"from_name": name, "to_name": "text", "type": "choices", "value": {"choices": ["A"]}, **fields}


def answering(name: str, *predictions: Any) -> type[LabelStudioMLBase]:
    """Return a class named `name` that answers with these predictions, one for each task."""

    class Answering(LabelStudioMLBase):
        def predict(self, tasks: list[Json], context: Any = None, **kwargs: Any) -> Any:
            return [prediction for prediction, _ in zip(predictions, tasks, strict=False)]

    Answering.__name__ = name
    return Answering


def combined(*parts: Any, **attributes: Any) -> type[Combined]:
    return type("Both", (Combined,), {"parts": parts, **attributes})


def predicted(*predictions: Any, context: Any = None) -> Json:
    """Return the merged prediction of one task by parts that answer with these predictions."""
    parts = [answering(f"Part{number}", prediction) for number, prediction in enumerate(predictions)]
    (merged,) = combined(*parts)().predict([{"id": 1, "data": {}}], context) or []
    assert merged is not None
    return merged


def test_a_part_without_a_score_does_not_lower_the_mean() -> None:
    scored = {"result": [region("a")], "score": 0.8}
    assert predicted(scored, {"result": []})["score"] == 0.8
    assert predicted(scored, {"result": [], "score": 0.0})["score"] == 0.4
    assert predicted(scored, {"result": [region("b", score=0.0)]})["score"] == 0.4
    assert "score" not in predicted({"result": [region("a")]}, {"result": []})


def test_a_region_of_the_annotator_keeps_its_id() -> None:
    context = {"result": [{"id": "drawn", "type": "rectangle"}]}
    answers = [{"result": [region(name, id="drawn")]} for name in ("text", "kind")]
    assert [found["id"] for found in predicted(*answers, context=context)["result"]] == ["drawn", "drawn"]


def test_an_unusable_id_costs_no_other_part() -> None:
    merged = predicted({"result": [region("a", id=["1"])]}, {"result": [region("b", id="1")]})
    assert [found["from_name"] for found in merged["result"]] == ["a", "b"]


def test_what_is_no_region_costs_its_own_part_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    merged = predicted({"result": [region("a"), None]}, {"result": [region("b")]})
    assert [found["from_name"] for found in merged["result"]] == ["b"]
    assert "The part Part0 has no prediction for a task" in caplog.text


def test_shapes_without_labels_and_other_items_are_no_second_value() -> None:
    for value in ({"imageDataURL": "data:…"}, {"points": [[0, 0], [1, 0], [0, 1]]}):
        answer = {"result": [region("shape", value=value)]}
        assert len(predicted(answer, answer)["result"]) == 2
    first, second = ({"result": [region("page", item_index=number)]} for number in (0, 1))
    assert len(predicted(first, second)["result"]) == 2
    assert len(predicted(first, {"result": [region("page")]})["result"]) == 1


def test_a_value_that_is_dropped_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    answers = [{"result": [region("mood")]}] * 5
    model = combined(answering("One", *answers), answering("Two", *answers))()
    model.predict([{"id": number} for number in range(5)])
    assert caplog.text.count("answers 'mood', too") == 1


def test_a_part_that_exits_costs_its_own_regions() -> None:
    class Exits(LabelStudioMLBase):
        def predict(self, tasks: list[Json], context: Any = None, **kwargs: Any) -> Any:
            raise SystemExit("no licence")

    class Answers(LabelStudioMLBase):
        async def predict(self, tasks: list[Json]) -> Any:  # type: ignore[override]
            return [{"result": [region("a")]} for _ in tasks]

    model = combined(Exits, Answers)()
    assert len(model.predict([{"id": 1}, {"id": 2}]) or []) == 2


def test_parts_can_be_used_in_setup() -> None:
    class Both(Combined):
        parts = (Part(answering("One"), name="one"),)

        def setup(self) -> None:
            self.one = self["one"]

    model = Both()
    assert model.one is model["one"]


def test_limits_of_parts_hold_for_the_whole() -> None:
    class Alone(answering("Alone")):  # type: ignore[misc]
        concurrency = 1

    class Polled(answering("Polled")):  # type: ignore[misc]
        concurrency = 4
        long_poll_events = ("wait",)

    info = describe_class(combined(Alone, Polled), threads=8)
    assert info.concurrency == 1, "a part that says 1 cannot be called by two threads"
    assert info.long_poll_events == ("track_progress", "wait")
    assert describe_class(combined(answering("Any")), threads=8).concurrency == 8
    assert describe_class(combined(Alone, concurrency=2)).concurrency == 2


def test_names_that_differ_in_case_are_one_folder_on_some_disks() -> None:
    with pytest.raises(Exception, match="two parts named"):
        combined(answering("Ner"), answering("NER"))


def built(cls: type[Combined], folder: Path, extra_params: Any = None) -> LabelStudioMLBase:
    settings = Settings(backend_dir=folder, model_dir=folder / "data")
    return build(cls, ModelSpec(project=Project(uid="1", extra_params=extra_params)), settings, MemoryState())


def test_a_part_that_needs_a_label_config_waits_for_it(tmp_path: Path) -> None:
    class Needs(answering("Needs")):  # type: ignore[misc]
        def setup(self) -> None:
            self.names = next(iter(self.parsed_label_config.values()))

    with pytest.raises(NoLabelConfig, match="The part Needs cannot be built: StopIteration"):
        built(combined(Needs), tmp_path)


class Strict(LabelStudioMLBase):
    params: ClassVar[Any] = {"threshold": Param(0.5)}
    unknown_params = "error"


class Other(LabelStudioMLBase):
    params: ClassVar[Any] = {"top": Param(3)}


def test_a_part_that_refuses_unknown_params_accepts_those_of_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    model = built(combined(Strict, Other), tmp_path, {"threshold": 0.1, "top": 5})
    assert isinstance(model, Combined)
    assert (dict(model["Strict"].params), dict(model["Other"].params)) == ({"threshold": 0.1}, {"top": 5})
    assert not caplog.records
    with pytest.raises(ParamsError, match="has no parameter tpo"):
        built(combined(Strict, Other), tmp_path, {"tpo": 5})


def test_damaged_regions_are_left_out_of_a_parts_tasks() -> None:
    part = Part(Other, controls=["a"])
    relation = {"type": "relation", "from_id": {}, "to_id": "1"}
    result = [None, "x", region("a", id="1"), region("b", id="2"), relation]
    kept = part.task({"id": 1, "annotations": [{"result": result}, {"result": {"a": 1}}, None]})
    assert [annotation["result"] for annotation in kept["annotations"]] == [[result[2]], []]
