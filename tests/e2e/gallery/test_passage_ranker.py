"""The gallery's ranker orders and sorts answers of a FAQ, and does it better after a training."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from ..regions_facts.labelling import Labelling
from ..studio import Json, Studio
from .building_faq import Question, questions, with_other_answers
from .conftest import MakeJourney
from .journey import Journey, record

CONFIG = """<View><Text name="question" value="$question"/>
<List name="answers" value="$answers" title="Answers"/><Ranker name="order" toName="answers"/>
<List name="again" value="$answers" title="Answers"/><Ranker name="groups" toName="again">
<Bucket name="relevant" title="Relevant"/><Bucket name="not_relevant" title="Not relevant"/></Ranker></View>"""
#: Subjects with enough questions for two halves, on which nothing of the model was chosen.
SUBJECTS = (
    "badrumsrenovering",
    "bygglov",
    "elinstallation",
    "koksrenovering",
    "kostnader",
    "rut-avdrag",
    "takläggning",
)
#: Other answers beside the right one.
OTHERS = 5
#: Tasks to annotate, those to measure with, and how many are predicted at a time: a busy machine embeds slowly.
LABELLED, HELD_OUT, AT_A_TIME = 42, 22, 6

#: The ids of the items in each column of the page, from the left.
COLUMNS = """() => [...document.querySelectorAll('.htx-ranker-column')].map((column) =>
    [...column.querySelectorAll('[data-ranker-id]')].map((item) => item.dataset.rankerId))"""


@pytest.mark.gallery
@pytest.mark.timeout(1800)
def test_learns_to_rank_and_to_sort_answers(
    label_studio: Studio, journey: MakeJourney, page: Labelling, keep_picture: Callable[[Any, str], None]
) -> None:
    annotated, measured = halves()
    project = label_studio.create_project("Answers", CONFIG)
    tasks = label_studio.import_tasks(project, [data(*pair) for pair in (*annotated, *measured)])
    held_out = dict(zip(tasks[len(annotated) :], measured, strict=True))
    unusual = unusual_tasks(label_studio, project, data(*measured[0]))

    ranker = journey("passage-ranker", project, venv="texts")
    ranker.init()
    assert ranker.chosen() == "passage-ranker"
    ranker.start({"TRAIN_EVERY": "0"})
    ranker.connect("--no-prelabel")
    untrained = predict(ranker, list(held_out))
    label_studio.retrieve_predictions(project, unusual)
    answered = {item["task"]: item["result"] for item in label_studio.predictions(project)}
    assert [bool(answered.get(task)) for task in unusual] == [False, False, False, False, True]

    for task, (right, group) in zip(tasks, annotated, strict=False):
        others = [item.id for item in group if item is not right]
        groups = {"relevant": [right.id], "not_relevant": others}
        order = region("order", "answers", {"order": [right.id, *others]})
        label_studio.annotate(task, [order, region("groups", "again", groups)])
    ranker.train(600)
    begun = time.monotonic()
    predictions = predict(ranker, list(held_out))
    speed = len(held_out) / (time.monotonic() - begun)
    ranks = [mean_reciprocal_rank(each, held_out) for each in (untrained, predictions)]
    f1 = [f1_of_relevant(each, held_out) for each in (untrained, predictions)]
    record(
        "passage-ranker",
        before=round(ranks[0], 3),
        after=round(ranks[1], 3),
        relevant_f1_before=round(f1[0], 3),
        relevant_f1_after=round(f1[1], 3),
        labelled=len(annotated),
        measured_on=len(held_out),
        measure=f"mean reciprocal rank of the answer among {OTHERS + 1} on its subject",
        tasks_per_second=round(speed, 2),
    )

    for task in held_out:
        page.open_task(project, task, predictions[task]["id"])
        said = values(predictions[task])
        groups = said["groups"]
        columns = [said["order"]["order"], groups["_"], groups["relevant"], groups["not_relevant"]]
        page.shows(COLUMNS, columns)
    keep_picture(page.page, "passage-ranker")
    assert ranks[0] >= 0.7
    assert ranks[1] >= ranks[0]
    assert f1[1] >= f1[0] + 0.03


def unusual_tasks(studio: Studio, project: int, good: Json) -> list[int]:
    """Import tasks that lack a question, ids, texts or answers, so that they cannot be ranked, and one that is huge."""
    return studio.import_tasks(
        project,
        [
            {**good, "question": " "},
            {**good, "answers": [{"body": "without an id"}]},
            {**good, "answers": [{"id": "1", "html": "<img src='/static/a.png'>"}]},
            {**good, "answers": []},
            {**good, "question": 20_000 * "very long "},
        ],
    )


def predict(ranker: Journey, tasks: Sequence[int]) -> dict[int, Json]:
    """Return the newest prediction of each task, some tasks at a time."""
    predictions: dict[int, Json] = {}
    for start in range(0, len(tasks), AT_A_TIME):
        predictions.update(ranker.predict(tasks[start : start + AT_A_TIME]))
    return predictions


def halves() -> tuple[
    list[tuple[Question, tuple[Question, ...]]], list[tuple[Question, tuple[Question, ...]]]
]:
    """Return questions with the answers of their tasks, to annotate and to measure with; no answer is in both."""
    pool = [question for question in questions() if question.subject in SUBJECTS]
    annotated, measured = (
        list(zip(part, with_other_answers(part, OTHERS), strict=True)) for part in (pool[::2], pool[1::2])
    )
    return annotated[:LABELLED], measured[:HELD_OUT]


def data(question: Question, group: Sequence[Question]) -> Json:
    """Return the data of a task."""
    return {"question": question.text, "answers": [{"id": item.id, "body": item.answer} for item in group]}


def region(control: str, shown: str, value: Mapping[str, Sequence[str]]) -> Json:
    """Return a region of an annotation."""
    return {"from_name": control, "to_name": shown, "type": "ranker", "value": {"ranker": value}}


def values(prediction: Json) -> dict[str, dict[str, list[str]]]:
    """Return the ranking of each control in a prediction, by the control's name."""
    return {item["from_name"]: item["value"]["ranker"] for item in prediction["result"]}


def mean_reciprocal_rank(predictions: Mapping[int, Json], truth: Mapping[int, tuple[Question, Any]]) -> float:
    """Return the mean of 1 / the rank of the right answer."""
    orders = {task: values(predictions[task])["order"]["order"] for task in truth}
    return sum(1 / (1 + orders[task].index(right.id)) for task, (right, _) in truth.items()) / len(truth)


def f1_of_relevant(predictions: Mapping[int, Json], truth: Mapping[int, tuple[Question, Any]]) -> float:
    """Return the F1 of the items in the bucket "relevant"."""
    found = {task: values(predictions[task])["groups"]["relevant"] for task in truth}
    right = sum(question.id in found[task] for task, (question, _) in truth.items())
    return 2 * right / (len(truth) + sum(map(len, found.values())))
