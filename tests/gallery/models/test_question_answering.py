"""The gallery's question answering, with an encoder that counts words in place of the language model."""

import importlib
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest

from label_studio_ml.errors import LabelConfigError
from label_studio_ml.gallery.catalogue import model_named
from label_studio_ml.training.dataset import LabelledTasks

from .model_file import model_class
from .word_counts import WordCounts

Json = dict[str, Any]
CONFIG = """<View><Text name="text" value="$text"/><Text name="question" value="$question"/>
<Labels name="span" toName="text"><Label value="Other"/><Label value="Answer"/></Labels></View>"""
TEXT = "Roses are red. The roof of a house costs much. It lasts long: 40 years. Grass is green."


@pytest.fixture(autouse=True)
def encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("text_encoder")
    module.text_encoder = WordCounts  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "text_encoder", module)
    monkeypatch.syspath_prepend(str(model_named("question-answering").folder))


def model(config: str = CONFIG) -> Any:
    return model_class("question-answering")(label_config=config)


def task(text: Any = TEXT, question: Any = "How much costs a roof?") -> Json:
    return {"id": 1, "data": {"text": text, "question": question}}


def marked(made: Any, **data: Any) -> str:
    """Return the text of the only span that is predicted."""
    (prediction,) = made.predict([task(**data)])
    (region,) = prediction["result"]
    assert region["value"]["labels"] == ["Answer"]
    assert 0 < region["score"] <= 1
    return str(region["value"]["text"])


def trained(answers: Sequence[tuple[str, str, str]], folder: Path) -> Any:
    """Return a model that has learnt from texts, questions and marked answers."""
    made = model()
    made.train_output = made.fit(labelled(answers), str(folder))
    made.setup()
    return made


def labelled(answers: Sequence[tuple[str, str, str]]) -> LabelledTasks:
    """Return annotated tasks with texts, questions and marked answers."""
    tasks = []
    for number, (text, question, answer) in enumerate(answers, 1):
        start = text.index(answer)
        value = {"start": start, "end": start + len(answer), "text": answer, "labels": ["Answer"]}
        region = {"from_name": "span", "to_name": "text", "type": "labels", "value": value}
        tasks.append(
            {**task(text, question), "id": number, "annotations": [{"id": number, "result": [region]}]}
        )
    return LabelledTasks(lambda: tasks, "the test")


def test_before_a_training_the_most_similar_sentence_is_marked() -> None:
    assert marked(model()) == "The roof of a house costs much."


def test_several_sentences_are_learnt(tmp_path: Path) -> None:
    fills = ("Roses are red.", "Grass is green.", "Snow is cold.", "Water is wet.")
    examples = [
        (
            f"{fills[at % 4]} The {thing} of a house costs much. It lasts long. {fills[(at + 1) % 4]}",
            f"How much costs the {thing}?",
            f"The {thing} of a house costs much. It lasts long.",
        )
        for at, thing in enumerate(("door", "window", "floor", "wall", "stair", "garden", "kitchen", "bath"))
    ]
    made = trained(examples, tmp_path)
    text = "Snow is cold. The roof of a house costs much. It lasts long. Roses are red."
    assert marked(made, text=text) == "The roof of a house costs much. It lasts long."


def test_parts_of_sentences_are_learnt(tmp_path: Path) -> None:
    examples = [
        (
            f"Roses are red. It lasts long: {years} years. Grass is green.",
            "How long does it last?",
            f"{years} years.",
        )
        for years in range(20, 30)
    ]
    assert marked(trained(examples, tmp_path), question="How long does it last?") == "40 years."


def test_an_answer_behind_the_part_that_is_read_is_not_learnt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_UNITS", "2")
    text = "Roses are red. The roof costs much. It lasts long."
    question = "What does the roof cost?"
    near, far = (text, question, "The roof costs much."), (text, question, "It lasts long.")
    assert trained([near, far], tmp_path).train_output["tasks"] == 1
    with pytest.raises(ValueError, match="answers among the first 2 sentences"):
        trained([far], tmp_path)


def test_of_many_tasks_and_spans_random_ones_are_learnt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []

    def learned_weights(tasks: Any) -> Any:
        seen.extend((len(rows), right) for rows, right in tasks)
        return numpy.zeros(tasks[0][0].shape[1])

    made = model()
    names = type(made).fit.__globals__
    for name, value in {"MOST_TASKS": 4, "MOST_SPANS": 20, "learned_weights": learned_weights}.items():
        monkeypatch.setitem(names, name, value)
    texts = [(f"{TEXT} Snow is white {at}.", "How long?", "Grass is green.") for at in range(6)]
    output = made.fit(labelled(texts), str(tmp_path))
    assert output["tasks"] == 4
    assert seen == [(5, 0)] * 4


def test_a_cancelled_training_ends(tmp_path: Path) -> None:
    job = types.SimpleNamespace(cancelled=True)
    texts = labelled([(TEXT, "What are roses?", "Roses are red.")])
    assert model().fit(texts, str(tmp_path), job=job) is None
    assert not list(tmp_path.iterdir())


def test_a_text_in_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    made = model(CONFIG.replace('value="$text"', 'value="$text" valueType="url"'))
    made.get_local_path = lambda url, **kwargs: str(path)
    assert marked(made, text="http://texts.example/1.txt") == "The roof of a house costs much."


@pytest.mark.timeout(30)
def test_long_blanks_take_no_time() -> None:
    spans = importlib.import_module("answer_spans")
    text = "Roses are red" + 200_000 * " " + "(or white)."
    assert len(spans.units(text, "clause")) == 2
    assert len(spans.units("a" + 200_000 * " " + "b", "clause")) == 1


def test_annotations_without_an_answer_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="tasks in which a span is labelled 'Answer'"):
        model().fit(LabelledTasks(list, "the test"), str(tmp_path))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (task(question=None), "Task 1: its field 'question', which has the question, is empty"),
        (task(question=["a"]), "Task 1: its field 'question'"),
        ({"id": 1, "data": {"text": TEXT}}, "Task 1: its field 'question'"),
        (task(text=None), "Task 1"),
        (task(text=["a", "list"]), "Task 1"),
    ],
)
def test_a_task_that_lacks_something_costs_only_itself(broken: Json, message: str) -> None:
    error, good = model().predict([broken, task()])
    assert isinstance(error, Exception)
    assert message in str(error)
    assert good["result"]


def test_an_empty_text_gets_an_empty_prediction() -> None:
    (prediction,) = model().predict([task(text=" \n ")])
    assert prediction["result"] == []


def test_a_long_text_is_read_from_its_beginning() -> None:
    assert marked(model(), text=TEXT + 5000 * " The roof costs.") in TEXT + " The roof costs."


def test_a_label_config_without_a_question_is_an_error() -> None:
    with pytest.raises(LabelConfigError, match="No text of the label config has the question"):
        model(CONFIG.replace('<Text name="question" value="$question"/>', ""))


def test_sentences_end_where_the_next_one_begins() -> None:
    spans = importlib.import_module("answer_spans")
    text = ' It costs approx. 3.5 MSEK (2026). "Yes!" he said.\n\nNo.'
    found = [text[start:end] for start, end in spans.units(text, "sentence")]
    assert found == ["It costs approx. 3.5 MSEK (2026).", '"Yes!" he said.', "No."]
