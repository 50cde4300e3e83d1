"""`annotations.targets`: the collection of examples, and what decides what is in it."""

from typing import Any

import pytest

from label_studio_ml import regions
from label_studio_ml.controls import Control, Controls
from label_studio_ml.errors import FileFetchError
from label_studio_ml.targets import BoxExample, ChoicesExample, SpanExample
from label_studio_ml.training.dataset import LabelledTasks

Task = dict[str, Any]

CONFIG = """<View>
  <Image name="photo" value="$image"/>
  <RectangleLabels name="box" toName="photo"><Label value="Car"/><Label value="Person"/></RectangleLabels>
  <Rectangle name="shape" toName="photo"/>
  <Labels name="kind" toName="photo"><Label value="Title"/><Label value="Line"/></Labels>
  <Labels name="state" toName="photo"><Label value="Torn"/></Labels>
  <TextArea name="words" toName="photo" perRegion="true"/>
  <Choices name="quality" toName="photo"><Choice value="good"/><Choice value="bad"/></Choices>
  <Text name="text" value="$text"/>
  <Labels name="ner" toName="text"><Label value="PER"/><Label value="ORG"/></Labels>
  <Choices name="mood" toName="text"><Choice value="glad"/><Choice value="sad"/></Choices>
</View>"""
CONTROLS = Controls(CONFIG)
SIZE = (200, 100)


def labelled(number: int, *results: list[Any], **data: Any) -> Task:
    """A task with an annotation for each result, the last one changed last."""
    return {
        "id": number,
        "data": {"image": f"/data/upload/1/{number}.png", "text": "Ann of Acme", **data},
        "annotations": [
            {
                "id": 100 * number + at,
                "completed_by": at,
                "updated_at": f"2026-01-01T00:00:{at:02}Z",
                "result": result,
            }
            for at, result in enumerate(results, 1)
        ],
    }


def a_box(*xyxy: float, label: str = "Car", control: Control = CONTROLS["box"]) -> Any:
    return regions.box(control, xyxy=xyxy or (10, 20, 30, 40), size=SIZE, label=label)


def collection(*tasks: Task) -> LabelledTasks:
    return LabelledTasks.from_tasks(list(tasks))


def test_it_can_be_iterated_repeatedly_and_says_which_annotation_of_which_task_an_example_is() -> None:
    targets = collection(labelled(7, [a_box()])).targets(CONTROLS["box"], files=False)
    (example,), (again,) = targets, targets
    assert isinstance(example, BoxExample)
    assert targets.example_type is BoxExample
    assert (example.task_id, example.annotation_id, example.annotator) == (7, 701, 1)
    assert (example.value, example.path, example.is_ground_truth) == ("/data/upload/1/7.png", None, False)
    assert example.boxes == again.boxes
    assert example.boxes[0].xyxy == pytest.approx((10, 20, 30, 40), abs=1e-3)
    assert (example.boxes[0].label, example.size) == ("Car", regions.PictureSize(200.0, 100.0))


def test_only_regions_of_the_control_are_in_the_example() -> None:
    result = [a_box(), regions.choices(CONTROLS["quality"], "good")]
    (example,) = collection(labelled(1, result)).targets(CONTROLS["box"], files=False)
    assert len(example.boxes) == 1


def test_an_annotation_without_regions_is_an_example_unless_empty_is_false() -> None:
    tasks = collection(labelled(1, [a_box()]), labelled(2, []))
    assert [len(example.boxes) for example in tasks.targets(CONTROLS["box"], files=False)] == [1, 0]
    assert [example.task_id for example in tasks.targets(CONTROLS["box"], files=False, empty=False)] == [1]


def test_halves_of_a_split_have_targets() -> None:
    tasks = collection(*(labelled(number, [a_box()]) for number in range(40)))
    train, test = tasks.split(test=0.5)
    numbers = [
        {example.task_id for example in half.targets(CONTROLS["box"], files=False)} for half in (train, test)
    ]
    assert numbers[0] | numbers[1] == set(range(40))
    assert all(numbers)
    assert not numbers[0] & numbers[1]


def test_texts_and_choices_need_no_login(clean_env: None) -> None:
    control = CONTROLS["ner"]
    span = regions.labelled_text(control, labelled(1)).span(0, 3, "PER")
    tasks = collection(labelled(1, [span, regions.choices(CONTROLS["mood"], "glad")]))
    (ner,), (mood,) = tasks.targets(control), tasks.targets(CONTROLS["mood"])
    assert isinstance(ner, SpanExample)
    assert isinstance(mood, ChoicesExample)
    assert (ner.text, [(each.start, each.end, each.text, each.label) for each in ner.spans]) == (
        "Ann of Acme",
        [(0, 3, "Ann", "PER")],
    )
    assert (mood.choice, mood.choices, mood.text) == ("glad", ("glad",), "Ann of Acme")


def test_files_without_a_login_say_what_is_needed(clean_env: None) -> None:
    targets = collection(labelled(1, [a_box()])).targets(CONTROLS["box"])
    with pytest.raises(
        FileFetchError, match=r"Task 1: .*LABEL_STUDIO_URL; or pass unfetched=\"drop\".*files=False"
    ):
        list(targets)
