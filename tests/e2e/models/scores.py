# mypy: ignore-errors
"""A model that says how sure it is in every way there is, or not at all, as the task's text asks for."""

from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.response import ModelResponse, PredictionValue

REGION = {"from_name": "choice", "to_name": "text", "type": "choices", "value": {"choices": ["a"]}}
WAYS = {
    "nothing": {"result": [REGION]},
    "own": {"result": [REGION], "score": 0.3},
    "null": {"result": [REGION], "score": None, "model_version": "mine"},
    "nan": {"result": [REGION], "score": float("nan"), "probabilities": {"a": 0.8, "b": 0.2}},
    "probabilities": {"result": [REGION], "probabilities": [0.6, 0.4]},
    "regions": {"result": [{**REGION, "score": 0.25}, {**REGION, "score": 0.75}]},
    "value": PredictionValue(result=[REGION]),
    "own value": PredictionValue(result=[REGION], score=0.4),
}


class Scores(LabelStudioMLBase):
    def predict(self, tasks, context=None, **kwargs):
        ways = [task["data"]["text"] for task in tasks]
        if ways == ["response"]:
            return ModelResponse(predictions=[PredictionValue(result=[{**REGION, "score": 0.7}], score=None)])
        return [WAYS[way] for way in ways]
