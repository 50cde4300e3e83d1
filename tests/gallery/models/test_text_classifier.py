"""The gallery's text classifier, with an encoder that counts words in place of the language model."""

import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.gallery.catalogue import model_named
from label_studio_ml.training.dataset import LabelledTasks
from label_studio_ml.training.job import TrainingJob

from .model_file import model_class
from .word_counts import WordCounts

Json = dict[str, Any]
CONFIG = """<View><Text name="text" value="$text"/><Choices name="kind" toName="text"><Choice value="good"/>
<Choice value="bad"/></Choices></View>"""
TEXTS = [("a good house", "good"), ("a bad car", "bad"), ("good roses", "good"), ("bad weather", "bad")]


@pytest.fixture(autouse=True)
def encoder(monkeypatch: pytest.MonkeyPatch) -> WordCounts:
    made = WordCounts()
    module = types.ModuleType("sentence_encoder")
    module.encoder = lambda name: made  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sentence_encoder", module)
    monkeypatch.syspath_prepend(str(model_named("text-classifier").folder))
    return made


def labelled(texts: Sequence[tuple[str, str]]) -> LabelledTasks:
    """Return annotated tasks with texts and their choices, of which commas are between several."""
    tasks = []
    for number, (text, labels) in enumerate(texts, 1):
        value = {"choices": labels.split(",") if labels else []}
        region = {"from_name": "kind", "to_name": "text", "type": "choices", "value": value}
        tasks.append(
            {"id": number, "data": {"text": text}, "annotations": [{"id": number, "result": [region]}]}
        )
    return LabelledTasks(lambda: tasks, "the test")


def trained(folder: Path, texts: Sequence[tuple[str, str]], earlier: Json | None = None) -> Json:
    folder.mkdir()
    made = model_class("text-classifier")(label_config=CONFIG, train_output=earlier)
    output: Json = made.fit(labelled(texts), str(folder))
    return output


def test_choices_are_learnt(tmp_path: Path) -> None:
    output = trained(tmp_path / "1", TEXTS)
    made = model_class("text-classifier")(label_config=CONFIG, train_output=output)
    good, empty = made.predict([{"id": 9, "data": {"text": "good"}}, {"id": 8, "data": {"text": " "}}])
    assert good["result"][0]["value"]["choices"] == ["good"]
    assert empty["result"] == []


def test_an_older_annotation_of_several_choices_teaches_its_first_one(tmp_path: Path) -> None:
    output = trained(tmp_path / "1", [*TEXTS, ("good and bad", "good,gone"), ("a good deed", "good,bad")])
    made = model_class("text-classifier")(label_config=CONFIG, train_output=output)
    good, bad = made.predict([{"id": each, "data": {"text": each}} for each in ("good", "bad")])
    assert [each["result"][0]["value"]["choices"] for each in (good, bad)] == [["good"], ["bad"]]
    with pytest.raises(ValueError, match="Training needs tasks with at least 2 different answers"):
        trained(tmp_path / "2", [("good", "good"), ("bad", "good,bad")])


def test_an_annotation_whose_choices_are_gone_is_left_out(tmp_path: Path) -> None:
    assert trained(tmp_path / "1", [*TEXTS, ("empty", "")])["tasks"] == {"kind": len(TEXTS)}


def test_a_training_embeds_new_texts_only(tmp_path: Path, encoder: WordCounts) -> None:
    first = trained(tmp_path / "1", [*TEXTS, TEXTS[0]])
    assert sorted(encoder.read) == sorted(text for text, _ in TEXTS)
    encoder.read.clear()
    second = trained(tmp_path / "2", [*TEXTS[1:], ("good bread", "good")], first)
    assert encoder.read == ["good bread"]
    encoder.read.clear()
    trained(tmp_path / "3", TEXTS, second)
    assert encoder.read == [TEXTS[0][0]]


def test_what_is_learnt_does_not_depend_on_the_embeddings_that_are_kept(tmp_path: Path) -> None:
    def score(output: Json) -> Any:
        made = model_class("text-classifier")(label_config=CONFIG, train_output=output)
        return made.predict([{"id": 9, "data": {"text": "good"}}])[0]["score"]

    first = trained(tmp_path / "1", TEXTS)
    assert score(trained(tmp_path / "2", TEXTS, first)) == score(first)


@pytest.mark.parametrize("change", ["MAX_TOKENS", "EMBEDDING_MODEL", "file"])
def test_embeddings_of_other_settings_are_not_used(
    tmp_path: Path, encoder: WordCounts, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    first = trained(tmp_path / "1", TEXTS)
    encoder.read.clear()
    if change == "file":
        Path(first["embeddings"]).unlink()
    else:
        monkeypatch.setenv(change, "64")
    trained(tmp_path / "2", TEXTS, first)
    assert len(encoder.read) == len(TEXTS)


def test_a_cancelled_training_ends_between_parts_of_the_texts(
    tmp_path: Path, encoder: WordCounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_class("text-classifier")
    monkeypatch.setitem(model.fit.__globals__, "PART", 2)
    answers = iter([*[False] * (len(TEXTS) + 1), True])  # of each task, and of the first part
    job = TrainingJob("1", tmp_path, asked=lambda: next(answers))
    assert model(label_config=CONFIG).fit(labelled(TEXTS), str(tmp_path), job=job) is None
    assert sorted(encoder.read) == sorted(sorted((text for text, _ in TEXTS), key=len)[:2])
    assert not list(tmp_path.iterdir())


def test_a_cancelled_training_reads_no_further_tasks(tmp_path: Path, encoder: WordCounts) -> None:
    job = TrainingJob("1", tmp_path, asked=lambda: True)
    made = model_class("text-classifier")(label_config=CONFIG)
    assert made.fit(labelled(TEXTS), str(tmp_path), job=job) is None
    assert not encoder.read
