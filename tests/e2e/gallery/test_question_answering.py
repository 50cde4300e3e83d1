"""The gallery's question answering marks answers in a FAQ's texts, and learns how long answers are."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from ..regions_facts.labelling import Labelling
from ..studio import Json, Studio
from .building_faq import questions, with_other_answers
from .conftest import MakeJourney
from .journey import Journey, record

CONFIG = """<View><Text name="text" value="$text" granularity="word"/><Text name="question" value="$question"/>
<Labels name="answer" toName="text"><Label value="Answer" maxUsage="1"/></Labels></View>"""
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
#: Tasks to annotate, those to measure with, and how many are predicted at a time: a busy machine embeds slowly.
LABELLED, HELD_OUT, AT_A_TIME = 42, 22, 6

#: The text of the spans that the page has drawn.
SPANS = "() => [...document.querySelectorAll('.htx-highlight')].map((span) => span.textContent).join('')"


@dataclass(frozen=True)
class Asked:
    """A question, a text with four answers of its subject, and where the right one is: start and end."""

    question: str
    text: str
    span: tuple[int, int]

    @property
    def data(self) -> Json:
        """The data of the task."""
        return {"text": self.text, "question": self.question}


@pytest.mark.gallery
@pytest.mark.timeout(1800)
def test_learns_to_mark_answers(
    label_studio: Studio, journey: MakeJourney, page: Labelling, keep_picture: Callable[[Any, str], None]
) -> None:
    annotated, measured = halves()
    project = label_studio.create_project("Answers in texts", CONFIG)
    tasks = label_studio.import_tasks(project, [asked.data for asked in (*annotated, *measured)])
    held_out = dict(zip(tasks[len(annotated) :], measured, strict=True))
    good = measured[0].data
    lacking = label_studio.import_tasks(
        project,
        [{**good, "question": " "}, {**good, "question": ["a", "list"]}, {**good, "text": ["a", "list"]}],
    )
    empty, huge = label_studio.import_tasks(
        project, [{**good, "text": ""}, {**good, "question": 20_000 * "very long "}]
    )

    answerer = journey("question-answering", project, venv="texts")
    answerer.init()
    assert answerer.chosen() == "question-answering"
    answerer.start({"TRAIN_EVERY": "0"})
    answerer.connect("--no-prelabel")
    untrained = predict(answerer, held_out)
    label_studio.retrieve_predictions(project, [*lacking, empty, huge])
    answered = {item["task"]: item["result"] for item in label_studio.predictions(project)}
    assert not any(answered.get(task) for task in (*lacking, empty))
    assert answered[huge]

    for task, asked in zip(tasks, annotated, strict=False):
        start, end = asked.span
        value = {"start": start, "end": end, "text": asked.text[start:end], "labels": ["Answer"]}
        label_studio.annotate(
            task, [{"from_name": "answer", "to_name": "text", "type": "labels", "value": value}]
        )
    answerer.train(600)
    begun = time.monotonic()
    predictions = predict(answerer, held_out)
    speed = len(held_out) / (time.monotonic() - begun)
    f1 = [mean_f1(each, held_out) for each in (untrained, predictions)]
    exact = [share_of_exact(each, held_out) for each in (untrained, predictions)]
    record(
        "question-answering",
        before=round(f1[0], 3),
        after=round(f1[1], 3),
        exact_before=round(exact[0], 3),
        exact_after=round(exact[1], 3),
        labelled=len(annotated),
        measured_on=len(held_out),
        measure="mean F1 of the marked characters",
        tasks_per_second=round(speed, 2),
    )

    for task, asked in held_out.items():
        page.open_task(project, task, predictions[task]["id"])
        start, end = marked(predictions[task])
        page.shows(SPANS, asked.text[start:end])
    keep_picture(page.page, "question-answering")
    assert f1[1] >= f1[0] + 0.1
    assert exact[1] >= 0.15


def halves() -> tuple[list[Asked], list[Asked]]:
    """Return tasks to annotate and to measure with; no answer is in both."""
    pool = [question for question in questions() if question.subject in SUBJECTS]
    parts = []
    for part in (pool[::2], pool[1::2]):
        made = []
        for question, group in zip(part, with_other_answers(part, 3), strict=True):
            text = " ".join(each.answer.strip() for each in group)
            start = text.index(question.answer.strip())
            made.append(Asked(question.text, text, (start, start + len(question.answer.strip()))))
        parts.append(made)
    return parts[0][:LABELLED], parts[1][:HELD_OUT]


def predict(answerer: Journey, truth: Mapping[int, Asked]) -> dict[int, Json]:
    """Return the newest prediction of each task, some tasks at a time."""
    predictions: dict[int, Json] = {}
    for start in range(0, len(truth), AT_A_TIME):
        predictions.update(answerer.predict(list(truth)[start : start + AT_A_TIME]))
    return predictions


def marked(prediction: Json) -> tuple[int, int]:
    """Return the start and end of the only span."""
    (region,) = prediction["result"]
    return region["value"]["start"], region["value"]["end"]


def mean_f1(predictions: Mapping[int, Json], truth: Mapping[int, Asked]) -> float:
    """Return the mean F1 of the characters that the predicted span and the right one share."""
    total = 0.0
    for task, asked in truth.items():
        start, end = marked(predictions[task])
        common = max(0, min(end, asked.span[1]) - max(start, asked.span[0]))
        total += 2 * common / (end - start + asked.span[1] - asked.span[0])
    return total / len(truth)


def share_of_exact(predictions: Mapping[int, Json], truth: Mapping[int, Asked]) -> float:
    """Return the share of tasks whose span is exactly the right one."""
    return sum(marked(predictions[task]) == asked.span for task, asked in truth.items()) / len(truth)
