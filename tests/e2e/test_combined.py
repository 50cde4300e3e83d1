"""A combined model behind a real Label Studio: both parts predict, learn, and one goes on when the other fails."""

from typing import Any

from .conftest import MakeBackend
from .processes import wait_until
from .studio import Studio

CONFIG = """<View>
  <Text name="text" value="$text"/>
  <Labels name="names" toName="text"><Label value="PER"/></Labels>
  <Choices name="mood" toName="text"><Choice value="glad"/><Choice value="sad"/></Choices>
</View>"""


def newest(studio: Studio, project: int) -> dict[int, dict[str, Any]]:
    found = sorted(studio.predictions(project), key=lambda prediction: prediction["id"])
    return {prediction["task"]: prediction for prediction in found}


def parts_of(prediction: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (region["from_name"], region["value"].get("text") or region["value"]["choices"][0])
        for region in prediction["result"]
    ]


def test_both_parts_predict_and_learn(label_studio: Studio, make_backend: MakeBackend) -> None:
    studio = label_studio
    project = studio.create_project("Two models", CONFIG)
    annotated, other, failing = studio.import_tasks(
        project, [{"text": "Ann slept"}, {"text": "I met Ann"}, {"text": "Ann!"}]
    )
    studio.add_backend(project, make_backend("combined_class.py").url)

    studio.retrieve_predictions(project)
    first = newest(studio, project)
    assert {task: parts_of(prediction) for task, prediction in first.items()} == {
        task: [("mood", "glad")] for task in (annotated, other, failing)
    }

    span = {"start": 0, "end": 3, "text": "Ann", "labels": ["PER"]}
    result = [
        {"id": "s", "from_name": "names", "to_name": "text", "type": "labels", "value": span},
        {"id": "m", "from_name": "mood", "to_name": "text", "type": "choices", "value": {"choices": ["sad"]}},
    ]
    studio.annotate(annotated, result)

    def learnt() -> bool:
        studio.retrieve_predictions(project, [other])
        return parts_of(newest(studio, project)[other]) == [("names", "Ann"), ("mood", "sad")]

    wait_until(learnt, "both parts use what they learnt", every=0.5)
    studio.retrieve_predictions(project, [failing])
    assert parts_of(newest(studio, project)[failing]) == [("mood", "sad")]
