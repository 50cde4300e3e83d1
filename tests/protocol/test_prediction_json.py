"""Whatever `predict` returns becomes one strict JSON value per task, or says why not."""

import itertools
import json
import logging
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers import name_of, strict
from label_studio_ml.protocol.prediction_json import (
    InvalidPrediction,
    describe,
    encode,
    encode_all,
    encode_failure,
    listed,
)
from values import NASTY, predictions, ring, values

GOOD: dict[str, Any] = {"result": [{"value": {"choices": ["a"]}}], "score": 0.5}


def sent(prediction: Any, **options: Any) -> Any:
    """Return the prediction as Label Studio's JSON parser reads it."""
    return strict(encode(prediction, "v1", **options))


class TestListed:
    @pytest.mark.parametrize(
        "returned",
        [
            [GOOD, GOOD],
            (GOOD, GOOD),
            iter([GOOD, GOOD]),
            (one for one in (GOOD, GOOD)),
            map(dict, [GOOD, GOOD]),
            {"a": GOOD, "b": GOOD}.values(),
            {"predictions": [GOOD, GOOD]},
            {"results": [GOOD, GOOD]},
            {"predictions": (one for one in (GOOD, GOOD)), "model_version": "x"},
            SimpleNamespace(predictions=[GOOD, GOOD], model_version=None),
            np.array([GOOD, GOOD], dtype=object),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_every_kind_of_collection_is_understood(self, returned: Any) -> None:
        assert listed(returned, 2) == [GOOD, GOOD]

    @pytest.mark.parametrize("returned", [GOOD, SimpleNamespace(result=[])], ids=["dict", "object"])
    def test_one_prediction_is_enough_for_one_task(self, returned: Any) -> None:
        assert listed(returned, 1) == [returned]
        assert listed(returned, 2) is None

    @pytest.mark.parametrize(
        "returned",
        [
            None,
            [],
            [GOOD],
            [GOOD] * 3,
            "ab",
            b"ab",
            2,
            2.0,
            {},
            {"a": 1, "b": 2},
            object(),
            {1, 2},
            np.array(2),
        ],
        ids=name_of,
    )
    def test_what_is_not_one_for_each_task_is_not_a_list(self, returned: Any) -> None:
        assert listed(returned, 2) is None
        assert describe(returned, 2).startswith("predict returned ")

    def test_a_generator_without_end_ends(self) -> None:
        assert listed(itertools.repeat(GOOD), 2) is None

    def test_the_cause_says_how_many_there_were(self) -> None:
        assert describe([GOOD] * 3, 2) == "predict returned 3 predictions for 2 tasks"
        assert describe(SimpleNamespace(predictions=[GOOD]), 2) == "predict returned 1 prediction for 2 tasks"


class TestEncode:
    def test_a_prediction_is_sent_as_it_is_with_the_served_version(self) -> None:
        assert sent({**GOOD, "cluster": 3}) == {**GOOD, "cluster": 3, "model_version": "v1"}

    @pytest.mark.parametrize("own", [None, "mine", 3, 1.5, True, [], {}])
    def test_the_models_own_version_never_leaves(self, own: Any) -> None:
        assert sent({**GOOD, "model_version": own})["model_version"] == "v1"

    @pytest.mark.parametrize(
        ("score", "number"),
        [
            (1, 1.0),
            (True, 1.0),
            (np.float32(0.5), 0.5),
            (np.int64(1), 1.0),
            (np.array(0.25), 0.25),
            ("0.5", 0.5),
            (None, 0.0),
            (float("nan"), 0.0),
            (float("inf"), 0.0),
            (np.float64("-inf"), 0.0),
            ("nan", 0.0),
            ("high", 0.0),
            ([0.5], 0.0),
            ({}, 0.0),
            (object(), 0.0),
            (1j, 0.0),
            (10**400, 0.0),
        ],
        ids=name_of,
    )
    def test_a_score_is_a_finite_number(self, score: Any, number: float) -> None:
        assert sent({**GOOD, "score": score})["score"] == number

    @pytest.mark.parametrize(
        ("said", "score"),
        [
            ({}, 0.0),
            ({"probabilities": [0.2, 0.7, 0.1]}, 0.7),
            ({"probabilities": (3, 1)}, 0.75),
            ({"probabilities": {"a": 0.1, "b": 0.9}}, 0.9),
            ({"probabilities": np.array([0.5, 0.5])}, 0.5),
            ({"probabilities": [0.9, 0.1], "score": float("nan")}, 0.9),
            ({"probabilities": [0.9, 0.1], "score": 0.0}, 0.0),
            ({"result": [{"score": 0.25}, {"score": 0.75}, {"value": {}}]}, 0.5),
            ({"result": [{"score": 0.25}], "probabilities": [0.6, 0.4]}, 0.6),
            ({"result": [{"score": 0.25}], "probabilities": [0.6, float("nan")]}, 0.25),
            ({"result": [{"score": "high"}, {"score": np.float32(0.5)}]}, 0.5),
            ({"result": [{"score": 1e308}, {"score": 1e308}]}, 1e308),
            ({"result": ({"score": 0.5} for _ in range(2))}, 0.5),
            ({"probabilities": []}, 0.0),
            ({"probabilities": [0.0, 0.0]}, 0.0),
            ({"probabilities": [-1.0, 1.0]}, 0.0),
            ({"probabilities": "0.9"}, 0.0),
            ({"probabilities": [1e308, 1e308]}, 0.0),
        ],
        ids=name_of,
    )
    def test_a_prediction_without_a_score_gets_one(self, said: dict[str, Any], score: float) -> None:
        """The surest number that the model gave itself; 0 is what the SDK's PredictionValue has for none."""
        many = encode_all([{"result": [], **said}], "v1")
        if many is not None:
            assert strict(many)[0]["score"] == pytest.approx(score)
        assert sent({"result": [], **said})["score"] == pytest.approx(score)

    def test_a_score_that_is_none_is_warned_of(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING):
            sent({**GOOD, "score": float("nan")})
        assert "A prediction's score is nan: a computed score is sent instead" in caplog.text

    @pytest.mark.parametrize(
        ("result", "regions"),
        [
            (None, []),
            ([], []),
            ((), []),
            ({"id": 1}, [{"id": 1}]),
            (({"id": n} for n in range(2)), [{"id": 0}, {"id": 1}]),
            (np.array([1, 2]), [1, 2]),
        ],
        ids=["null", "list", "tuple", "region", "generator", "array"],
    )
    def test_a_result_is_a_list(self, result: Any, regions: list[Any]) -> None:
        assert sent({"result": result})["result"] == regions

    @pytest.mark.parametrize("result", ["text", b"bytes", 3, True, object()], ids=name_of)
    def test_what_cannot_be_regions_is_refused(self, result: Any) -> None:
        with pytest.raises(InvalidPrediction, match="'result' must be a list of regions"):
            encode({"result": result}, "v1")

    @pytest.mark.parametrize("prediction", [None, 3, "text", b"x", {1}, object(), 0.5], ids=name_of)
    def test_what_is_no_prediction_is_refused(self, prediction: Any) -> None:
        with pytest.raises(InvalidPrediction):
            encode(prediction, "v1")

    def test_a_missing_result_is_named(self) -> None:
        with pytest.raises(InvalidPrediction, match=r"no 'result' \(it has: score, 3\)"):
            encode({"score": 1, 3: 4}, "v1")

    def test_several_predictions_for_a_task_stay_several(self) -> None:
        assert [one["score"] for one in sent([{"result": [], "score": 1}, {"result": [], "score": 2}])] == [
            1,
            2,
        ]
        assert sent(()) == []

    def test_an_interactive_answer_is_one_object(self) -> None:
        assert sent([{"result": [1]}, {"result": [2]}], interactive=True)["result"] == [1]
        with pytest.raises(InvalidPrediction, match="empty"):
            encode([], "v1", interactive=True)

    def test_one_bad_prediction_among_several_spoils_the_task(self) -> None:
        with pytest.raises(InvalidPrediction):
            encode([GOOD, None], "v1")

    def test_numpy_values_become_plain_ones(self) -> None:
        region = {
            "x": np.float32(0.5),
            "n": np.int64(3),
            "yes": np.bool_(True),
            "rle": np.array([1, 2], dtype=np.uint8),
            "matrix": np.eye(2),
            "name": np.str_("a"),
            "one": np.array([7]),
            "none": np.array([]),
        }
        [got] = sent({"result": [region]})["result"]
        assert got["x"] == 0.5
        assert got["n"] == 3
        assert got["yes"] is True
        assert got["rle"] == [1, 2]
        assert got["matrix"] == [[1, 0], [0, 1]]
        assert got["name"] == "a"
        assert got["one"] == [7]
        assert got["none"] == []

    def test_nan_and_infinity_are_null_with_a_warning(self, caplog: pytest.LogCaptureFixture) -> None:
        region = {"a": float("nan"), "b": [float("inf")], "c": np.float32("nan"), "d": np.array([np.nan, 1])}
        with caplog.at_level(logging.WARNING):
            [got] = sent({"result": [region]})["result"]
        assert got == {"a": None, "b": [None], "c": None, "d": [None, 1]}
        assert "NaN or infinity" in caplog.text

    def test_an_honest_null_is_no_warning(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING):
            sent({"result": [{"a": None}], "score": None})
        assert caplog.text == ""

    def test_keys_become_text(self) -> None:
        [got] = sent({"result": [{1: "a", None: "b", 2.5: "c", (1, 2): "d"}]})["result"]
        assert set(got) == {"1", "None", "2.5", "(1, 2)"}

    def test_text_that_is_not_unicode_is_sent_all_the_same(self) -> None:
        assert sent({"result": [{"text": "a\ud800b"}]})["result"][0]["text"] == "a?b"

    def test_what_contains_itself_is_refused(self) -> None:
        with pytest.raises(InvalidPrediction):
            encode({"result": ring()}, "v1")

    def test_an_unusual_mapping_is_a_prediction(self) -> None:
        class Odd(Mapping[str, Any]):
            def __getitem__(self, key: str) -> Any:
                return GOOD[key]

            def __iter__(self) -> Iterator[str]:
                return iter(GOOD)

            def __len__(self) -> int:
                return len(GOOD)

        assert sent(Odd()) == {**GOOD, "model_version": "v1"}

    def test_the_sdks_objects_are_sent_as_they_serialise_themselves(self) -> None:
        response = pytest.importorskip("label_studio_ml.response")
        value = response.PredictionValue(result=[{"id": "r"}], score=0.5, model_version="own")
        assert sent(value)["model_version"] == "v1"
        assert sent(value)["score"] == 0.5
        assert sent(value)["result"] == [{"id": "r"}]
        made = response.ModelResponse(predictions=[value, [value, value]])
        entries = listed(made, 2)
        assert entries is not None
        assert [type(sent(entry)) for entry in entries] == [dict, list]


@pytest.mark.parametrize("cause", ["plain", 'quote " and \\', "\ud800", "é\n", ""])
def test_a_failures_entry_is_json_without_a_result(cause: str) -> None:
    entry = strict(encode_failure(cause, "v1"))
    assert set(entry) == {"error", "model_version"}


@pytest.mark.parametrize("name", NASTY)
def test_a_nasty_value_in_a_region_is_sent_or_refused(name: str) -> None:
    try:
        body = encode({"result": [{"value": NASTY[name]()}]}, "v1")
    except InvalidPrediction:
        body = encode_failure("refused", "v1")
    except (RuntimeError, OSError, KeyError):
        assert name in {
            "unwilling",
            "bad item",
            "generator",
        }  # its own error: the predictor gives it an entry
        return
    assert strict(body)["model_version"] == "v1"


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=200)
@given(predictions | values, st.booleans())
def test_whatever_is_encoded_is_strict_json(prediction: Any, interactive: bool) -> None:
    try:
        body = encode(prediction, "v1", interactive=interactive)
    except Exception:
        return  # the predictor gives such a task an entry with the cause
    got = strict(body)
    entries = got if isinstance(got, list) else [got]
    assert isinstance(got, dict) or not interactive
    for entry in entries:
        assert entry["model_version"] == "v1"
        assert isinstance(entry["result"], list)
        assert isinstance(entry["score"], float | int)
    json.dumps(got, allow_nan=False)
