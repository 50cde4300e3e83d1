"""What a model returns."""

import pytest
from label_studio_sdk.label_interface.objects import PredictionValue as SdkPredictionValue
from pydantic import ValidationError

from label_studio_ml.response import ModelResponse, PredictionValue, SingleTaskPredictions

RESULT = {"from_name": "c", "to_name": "t", "type": "choices", "value": {"choices": ["a"]}}


def test_prediction_value_is_the_sdks() -> None:
    assert PredictionValue is SdkPredictionValue
    assert SingleTaskPredictions


def test_dicts_become_predictions() -> None:
    response = ModelResponse.model_validate({"predictions": [{"result": [RESULT], "score": 0.5}, []]})
    assert isinstance(response.predictions[0], PredictionValue)
    assert response.predictions[0].score == 0.5
    assert response.predictions[1] == []


def test_identity_is_kept() -> None:
    one, two = PredictionValue(result=[]), PredictionValue(result=[])
    response = ModelResponse(predictions=[one, [two]])
    assert response.predictions[0] is one
    assert response.predictions[1][0] is two


def test_unknown_names_are_ignored() -> None:
    response = ModelResponse.model_validate({"predictions": [], "model_versions": "x"})
    assert response.model_dump() == {"model_version": None, "predictions": []}


@pytest.mark.parametrize(("given", "kept"), [(None, None), ("v", "v"), (3, "3")])
def test_version_is_text(given: object, kept: str | None) -> None:
    response = ModelResponse.model_validate({"predictions": [], "model_version": given})
    assert response.model_version == kept
    assert response.has_model_version() is bool(kept)


def test_set_version_reaches_predictions_without_one() -> None:
    response = ModelResponse(
        predictions=[
            PredictionValue(result=[]),
            [PredictionValue(result=[], model_version="own"), {"result": []}],
        ]
    )
    response.set_version("1.0")
    assert response.model_version == "1.0"
    dumped = response.model_dump()["predictions"]
    assert dumped[0]["model_version"] == "1.0"
    assert [one["model_version"] for one in dumped[1]] == ["own", "1.0"]


def test_update_predictions_version() -> None:
    response = ModelResponse(model_version="2", predictions=[PredictionValue(result=[RESULT])])
    response.update_predictions_version()
    assert response.model_dump() == {
        "model_version": "2",
        "predictions": [{"model_version": "2", "score": 0.0, "result": [RESULT]}],
    }


def test_what_is_no_prediction_is_refused() -> None:
    with pytest.raises(ValidationError):
        ModelResponse(predictions=["positive"])
