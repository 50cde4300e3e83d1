"""`annotations.targets`: the collection of examples, and what decides what is in it."""

import logging
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from label_studio_ml import regions
from label_studio_ml.controls import Control, Controls
from label_studio_ml.errors import FileFetchError, LabelConfigError
from label_studio_ml.targets import BoxExample, ChoicesExample, SpanExample
from label_studio_ml.targets.annotation_choice import truth_of
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


@pytest.mark.parametrize("control", ["box", None])
def test_a_name_in_place_of_a_control_is_an_error(control: Any) -> None:
    for read in (LabelledTasks.targets, LabelledTasks.to_pandas):
        with pytest.raises(ValueError, match=r'control must be a control such as self.controls\["name"\]'):
            read(collection(), control)


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


# Which annotation


def test_the_annotation_changed_last_counts_unless_there_is_a_ground_truth() -> None:
    latest, truth = labelled(1, [a_box()], []), labelled(2, [a_box()], [])
    truth["annotations"][0]["ground_truth"] = True
    tasks, control = collection(latest, truth), CONTROLS["box"]
    assert [each.annotator for each in tasks.targets(control, files=False)] == [2, 1]
    (only,) = tasks.targets(control, files=False, annotation="ground_truth")
    assert (only.task_id, only.is_ground_truth) == (2, True)


def test_all_annotations_are_an_example_each() -> None:
    tasks = collection(labelled(1, [a_box()], [], [a_box(), a_box()]))
    examples = list(tasks.targets(CONTROLS["box"], files=False, annotation="all"))
    assert [(each.annotation_id, len(each.boxes)) for each in examples] == [(101, 1), (102, 0), (103, 2)]


def test_consensus_is_the_annotation_that_differs_least_from_the_others() -> None:
    near = [a_box(10, 20, 30, 40)], [a_box(11, 20, 31, 40)], [a_box(14, 20, 34, 40)]
    tasks = collection(labelled(1, near[0], near[1], near[2], []))
    (example,) = tasks.targets(CONTROLS["box"], files=False, annotation="consensus")
    assert example.annotation_id == 102


def test_consensus_of_choices_is_the_majority_and_of_two_that_differ_the_later_one() -> None:
    mood = CONTROLS["mood"]
    glad, sad = [regions.choices(mood, "glad")], [regions.choices(mood, "sad")]
    tasks = collection(labelled(1, glad, glad, sad), labelled(2, glad, sad), labelled(3, sad, glad, []))
    assert [each.choice for each in tasks.targets(mood, annotation="consensus")] == ["glad", "sad", None]


def test_a_ground_truth_counts_before_a_consensus() -> None:
    task = labelled(1, [a_box()], [a_box()], [])
    task["annotations"][2]["ground_truth"] = True
    (example,) = collection(task).targets(CONTROLS["box"], files=False, annotation="consensus")
    assert example.annotation_id == 103


def test_skipped_annotations_are_not_counted() -> None:
    task = labelled(1, [a_box()], [])
    task["annotations"][1]["was_cancelled"] = True
    (example,) = collection(task).targets(CONTROLS["box"], files=False, annotation="all")
    assert len(example.boxes) == 1


# What is left out


def test_a_label_that_the_config_lost_is_an_error_with_what_to_do() -> None:
    region = a_box() | {"value": {**a_box()["value"], "rectanglelabels": ["Tram"]}}
    with pytest.raises(
        LabelConfigError, match=r"Task 4.*'box' has no label 'Tram'; it has: Car.*unknown=\"drop\""
    ):
        list(collection(labelled(4, [region])).targets(CONTROLS["box"], files=False))


def test_unknown_labels_can_be_left_out_and_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    tram = a_box() | {"value": {**a_box()["value"], "rectanglelabels": ["Tram"]}}
    targets = collection(labelled(1, [tram, a_box(), tram])).targets(
        CONTROLS["box"], files=False, unknown="drop"
    )
    assert [[each.label for each in example.boxes] for example in targets] == [["Car"]]
    assert targets.left_out == {"labels that the label config does not have": 2}
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    list(targets)
    assert len(caplog.records) == 2, "a later iteration does not say it again"


def test_each_unknown_label_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    result = [
        {"from_name": "mood", "to_name": "text", "type": "choices", "value": {"choices": [name, name, "sad"]}}
        for name in ("angry", "calm")
    ]
    targets = collection(labelled(1, result), labelled(2, result)).targets(CONTROLS["mood"], unknown="drop")
    assert [each.choices for each in targets] == [("sad",), ("sad",)]
    logged = [record.getMessage() for record in caplog.records]
    assert [("'angry'" in message, "'calm'" in message) for message in logged] == [
        (True, False),
        (False, True),
        (False, False),
    ]
    assert "4 labels that the label config does not have" in logged[-1]


def test_a_task_whose_only_choice_is_unknown_is_no_example_without_a_choice() -> None:
    choice = {"from_name": "mood", "to_name": "text", "type": "choices", "value": {"choices": ["angry"]}}
    targets = collection(labelled(1, [choice]), labelled(2, [])).targets(CONTROLS["mood"], unknown="drop")
    assert [(each.task_id, each.choices) for each in targets] == [(2, ())]


def test_labels_that_tasks_bring_are_known() -> None:
    control = Controls(
        '<View><Text name="t" value="$text"/><Choices name="c" toName="t" value="$options"/></View>'
    )[0]
    task = labelled(1, [regions.choices(control, "blue")], options=["red", "blue"])
    assert [each.choice for each in collection(task).targets(control)] == ["blue"]
    with pytest.raises(LabelConfigError, match="has no label 'blue'; it has: red"):
        list(collection({**task, "data": {"text": "", "options": ["red"]}}).targets(control))


def test_regions_that_cannot_be_read_are_left_out_with_task_and_region(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken = {**a_box(), "id": "r9", "value": {"x": "?", "rectanglelabels": ["Car"]}}
    targets = collection(labelled(5, [broken, a_box()]), labelled(6, [broken])).targets(
        CONTROLS["box"], files=False
    )
    assert [len(example.boxes) for example in targets] == [1, 0]
    assert targets.left_out == {"regions that cannot be read": 2}
    assert "Task 5, region 'r9': x must be a number" in caplog.text
    assert "2 regions that cannot be read" in caplog.text


@pytest.mark.parametrize("result", [None, [None, 7, "x"], [{}], [{"from_name": "box", "value": None}]])
def test_an_annotation_with_a_damaged_result_has_no_regions(result: Any) -> None:
    (example,) = collection(labelled(1, result)).targets(CONTROLS["box"], files=False)
    assert example.boxes == ()


def test_a_task_without_the_field_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    task = labelled(8, [])
    del task["data"]["text"]
    targets = collection(task, labelled(9, [])).targets(CONTROLS["mood"])
    assert [example.task_id for example in targets] == [9]
    assert targets.left_out == {"tasks whose data cannot be read": 1}
    assert "Task 8: The task's data have no field 'text'" in caplog.text
    assert len(caplog.records) == 1, "there is no sum of one"


# Arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"annotation": "newest"}, "annotation must be one of latest, ground_truth, all, consensus"),
        ({"unknown": "keep"}, "unknown must be one of error, drop"),
        ({"unfetched": "keep"}, "unfetched must be one of error, drop"),
        ({"workers": 0}, "workers must be a whole number"),
    ],
)
def test_a_wrong_argument_is_an_error_at_once(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        collection().targets(CONTROLS["box"], **arguments)


def test_a_control_for_regions_of_others_says_which_control_to_pass() -> None:
    with pytest.raises(LabelConfigError, match=r"belong to regions. Pass the control that draws the regions"):
        collection().targets(CONTROLS["words"])
    with pytest.raises(LabelConfigError, match=r"draws no regions.*<Rectangle>"):
        collection().targets(CONTROLS["kind"])


# Memory


class Data(dict[str, Any]):
    """The data of a task; a weak reference to it tells whether the task is still in memory."""


@pytest.mark.parametrize("count", [20_000, pytest.param(100_000, marks=pytest.mark.soak)])
def test_few_of_many_tasks_are_in_memory_at_once(count: int) -> None:
    alive: weakref.WeakSet[Any] = weakref.WeakSet()
    most = 0
    result = [regions.choices(CONTROLS["mood"], "glad")]

    class Watched(Data):
        __hash__ = object.__hash__  # type: ignore[assignment]

    def tasks() -> Iterator[Task]:
        nonlocal most
        for number in range(count):
            data = Watched(text="t")
            alive.add(data)
            most = max(most, len(alive))
            yield {"id": number, "data": data, "annotations": [{"id": number, "result": result}]}

    targets = LabelledTasks(tasks, "a test").targets(CONTROLS["mood"], workers=4)
    assert sum(example.choice == "glad" for example in targets) == count
    assert 1 <= most <= 12


def test_of_annotations_without_dates_and_ids_the_last_one_counts() -> None:
    first, last = {"result": [{"id": "a"}]}, {"result": [{"id": "b"}]}
    assert truth_of({"id": 1, "annotations": [first, last]}) is last
    assert truth_of({"id": 1, "annotations": [{**last, "id": 2}, {**first, "id": 1}]})["id"] == 2  # type: ignore[index]
