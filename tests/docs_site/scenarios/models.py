"""README.md, docs/tutorial.md, and whole classes of docs/params.md, combined.md, active-learning.md, predict.md."""

import json
import re
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from label_studio_ml import regions
from label_studio_ml.errors import BackendError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_calls.adapter import describe_class
from label_studio_ml.validation import check_prediction

from ..blocks import block_of
from ..snippets import Snippet, scenario
from .controls import Glad
from .material import MOODS, a_task, collection, labelled

TUTORIAL = block_of("docs/tutorial.md", "xml").text

BOTH = """<View><Text name="text" value="$text"/>
<Labels name="entities" toName="text"><Label value="PER"/></Labels>
<Choices name="mood" toName="text"><Choice value="Good"/><Choice value="Bad"/></Choices></View>"""


@scenario("README.md", "class FirstLabel(LabelStudioMLBase):")
def the_class_of_the_readme(snippet: Snippet) -> None:
    model = snippet.run()["FirstLabel"](label_config=TUTORIAL)
    rows = json.loads(block_of("docs/tutorial.md", "json").text)
    tasks = [{"id": number, "data": row} for number, row in enumerate(rows, 1)]
    predictions = model.predict(tasks)
    assert [each["result"][0]["value"] for each in predictions] == [{"choices": ["Delivery"]}] * len(tasks)
    for task, prediction in zip(tasks, predictions, strict=True):
        check_prediction(TUTORIAL, task, prediction)
    delivery = [regions.choices(model.choices, "Delivery")]
    assert model.fit(collection(labelled(TUTORIAL, [delivery, delivery]))) == {"labelled": 2}


@scenario("docs/tutorial.md", "class Topics(LabelStudioMLBase):")
def the_model_of_the_tutorial(snippet: Snippet) -> None:
    """tests/e2e/test_tutorial.py does what the page says with a real Label Studio."""
    found = snippet.run()["Topics"]
    rows = json.loads(block_of("docs/tutorial.md", "json").text)
    model = found(label_config=TUTORIAL)
    tasks = [{"id": number, "data": row} for number, row in enumerate(rows, 1)]
    before = model.predict(tasks)
    assert {(chosen(each), each["score"]) for each in before} == {("Delivery", 0.0)}
    topics = ["Delivery", "Payment", "Account"] * 2
    results = [[regions.choices(model.topics, topic)] for topic in topics]
    annotations = collection(labelled(TUTORIAL, results, text=[row["text"] for row in rows[:6]]))
    output = model.fit(annotations, snippet.folder)
    assert output["labelled"] == len(topics)
    after = found(label_config=TUTORIAL, train_output=output).predict(tasks[6:])
    assert [chosen(each) for each in after] == ["Payment", "Account", "Delivery"] * 2
    for task, prediction in zip(tasks, [*before[:6], *after], strict=True):
        check_prediction(TUTORIAL, task, prediction)


def chosen(prediction: Any) -> str:
    """Return the choice of a prediction with one region."""
    (region,) = prediction["result"]
    (name,) = region["value"]["choices"]
    return str(name)


@scenario("README.md", "max_batch_size = 32")
def attributes_of_a_class(snippet: Snippet) -> None:
    """The values are taken, and the numbers in brackets are those of a class without the attribute."""
    described = describe_class(snippet.run()["MyModel"])
    assert (described.max_batch_size, described.long_poll_events) == (32, ("track_progress",))
    assert (described.promote_if, described.min_annotations) == ("accuracy >= current", 50)
    plain = describe_class(LabelStudioMLBase)
    defaults = re.findall(r"^ +(\w+) = .*# .*\(([\d.]+)", snippet.block.text, re.MULTILINE)
    assert {name: getattr(plain, name) for name, _ in defaults} == {
        name: float(number) for name, number in defaults
    }
    assert len(defaults) == 7
    assert plain.long_poll_events == ("track_progress",)


@scenario("docs/params.md", '"threshold": Param(0.5')
def parameters(snippet: Snippet) -> None:
    def load(size: str) -> Any:
        return lambda task, *, least: [size, least]

    my_model = snippet.run(load=load)["MyModel"]
    model = my_model(label_config=MOODS)
    assert model.predict([a_task(MOODS)]) == [{"result": ["small", 0.5]}]
    assert my_model(label_config=MOODS, threshold=0.9).predict([a_task(MOODS)]) == [
        {"result": ["small", 0.9]}
    ]
    assert (model.params.labels, model.params.seed) == (["person"], None)
    for wrong in ({"threshold": 1.5}, {"size": "huge"}):
        with pytest.raises(BackendError, match=next(iter(wrong))):
            my_model(label_config=MOODS, **wrong)


@scenario("docs/params.md", "class MyParams(BaseModel):")
def parameters_of_pydantic(snippet: Snippet) -> None:
    my_model = snippet.run()["MyModel"]
    assert my_model(label_config=MOODS).params.threshold == 0.5
    with pytest.raises(BackendError, match="threshold"):
        my_model(label_config=MOODS, threshold=1.5)


def _entities(self: Any, tasks: list[Any], **kwargs: Any) -> list[Any]:
    control = self.controls.first("Labels")
    spans = [regions.labelled_text(control, task).span(0, 3, "PER", score=0.9) for task in tasks]
    return [regions.prediction(span) for span in spans]


def _moods(self: Any, tasks: list[Any], **kwargs: Any) -> list[Any]:
    mood = self.controls.first("Choices")
    return [regions.prediction(regions.choices(mood, "Bad", score=0.5)) for _ in tasks]


def _tags(predictions: list[Any]) -> list[list[str]]:
    return [sorted(region["from_name"] for region in each["result"]) for each in predictions]


@scenario("docs/combined.md", "class Ner(LabelStudioMLBase): ...")
def two_models_as_one(snippet: Snippet) -> None:
    """The classes of the page are empty: they get a `predict` each."""
    found = snippet.run()
    found["Ner"].predict, found["Sentiment"].predict = _entities, _moods
    assert _tags(found["Both"](label_config=BOTH).predict([a_task(BOTH)])) == [["entities", "mood"]]


@scenario("docs/combined.md", "parts = (Part(Ner")
def parts_with_controls(snippet: Snippet) -> None:
    ner = type("Ner", (LabelStudioMLBase,), {"predict": _entities})
    sentiment = type("Sentiment", (LabelStudioMLBase,), {"predict": _moods})
    both = snippet.run(Ner=ner, Sentiment=sentiment)["Both"](label_config=BOTH)
    assert _tags(both.predict([a_task(BOTH)])) == [["entities", "mood"]]
    assert [control.name for control in both["mood"].controls] == ["mood"]
    assert [control.name for control in both["Ner"].controls] == ["entities"]


class StandInClassifier:
    """A classifier with the one method that the page calls."""

    def predict_proba(self, features: Any) -> Any:
        return np.array([[0.75, 0.25] for _ in features])


@scenario("docs/active-learning.md", "shares = self.classifier.predict_proba(features)")
def probabilities_and_embeddings(snippet: Snippet) -> None:
    features = np.array([[1.0, 2.0], [3.0, 4.0]])
    model = snippet.model(MOODS, globals={"features": features}, classifier=StandInClassifier())
    predictions = model.predict([a_task(MOODS)] * 2)
    kept = json.loads(json.dumps([{**each, "result": []} for each in predictions]))
    assert kept[1] == {"result": [], "score": 0.75, "probabilities": [0.75, 0.25], "embedding": [3.0, 4.0]}


@scenario("docs/predict.md", "def test_the_predictions_can_be_shown():")
def a_test_of_predictions(snippet: Snippet) -> None:
    module = ModuleType("model")
    module.MyModel = Glad  # type: ignore[attr-defined]
    snippet.patch.setitem(sys.modules, "model", module)
    test = snippet.run(LABEL_CONFIG=MOODS)["test_the_predictions_can_be_shown"]
    test()
    wrong = {"from_name": "no", "to_name": "text", "type": "choices", "value": {"choices": ["Good"]}}
    snippet.patch.setattr(Glad, "predict", lambda self, tasks: [{"result": [wrong]} for _ in tasks])
    with pytest.raises(BackendError, match="no"):
        test()
