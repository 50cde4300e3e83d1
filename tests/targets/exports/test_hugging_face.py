"""`to_hf`. Needs the library `datasets`, which the test environment need not have."""

import wave
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml import regions
from label_studio_ml.controls import Controls
from label_studio_ml.errors import LabelConfigError
from targets.exports import labelled_pictures as pictures
from targets.exports.labelled_texts import CONTROLS, collection, task

pytest.importorskip("datasets")

SOUNDS = Controls("""<View><Audio name="sound" value="$image"/>
  <Labels name="who" toName="sound"><Label value="Ann"/><Label value="Bob"/></Labels>
  <TextArea name="words" toName="sound"/></View>""")


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    datasets.disable_progress_bars()


def test_tokens_and_tags(tmp_path: Path) -> None:
    text = "Ann of Acme.\n\nBob"
    tasks = collection(task(text, (0, 3, "PER"), (7, 11, "ORG"), (14, 17, "PER")))
    dataset = tasks.to_hf(CONTROLS["ner"], tmp_path / "hf")
    tags = dataset.features["ner_tags"].feature
    assert tags.names[:3] == ["O", "B-PER", "I-PER"]
    assert dataset["tokens"][:] == [["Ann", "of", "Acme", "."], ["Bob"]]
    assert [tags.int2str(row) for row in dataset["ner_tags"][:]] == [["B-PER", "O", "B-ORG", "O"], ["B-PER"]]
    assert dataset["task_id"][:] == ["1", "1"]


def test_choices_and_numbers(tmp_path: Path) -> None:
    others: tuple[Any, ...] = (
        regions.choices(CONTROLS["mood"], "sad"),
        regions.choices(CONTROLS["topics"], "war", "art"),
        regions.rating(CONTROLS["stars"], 4),
        regions.texts(CONTROLS["summary"], "short"),
    )
    tasks = collection(task("long", others=others))
    one = tasks.to_hf(CONTROLS["mood"], tmp_path / "one")
    assert (one[0], one.features["label"].names) == (
        {"task_id": "1", "text": "long", "label": 1},
        ["glad", "sad"],
    )
    assert tasks.to_hf(CONTROLS["topics"], tmp_path / "several")[0]["labels"] == [1, 0]
    assert tasks.to_hf(CONTROLS["stars"], tmp_path / "stars")[0]["label"] == 4
    summary = tasks.to_hf(CONTROLS["summary"], tmp_path / "summary")[0]
    assert summary == {"task_id": "1", "text": "long", "target": "short"}


def test_boxes_with_the_picture_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "current").mkdir()
    monkeypatch.chdir(tmp_path / "current")
    Path("a.png").write_bytes(b"another file of the same name")
    box = regions.box(pictures.CONTROLS["box"], xyxy=(10, 20, 30, 60), size=pictures.SIZE, label="Car")
    tasks = pictures.collection(tmp_path, pictures.task(7, [box]), pictures.task(8, []))
    dataset = tasks.to_hf(pictures.CONTROLS["box"], tmp_path / "hf")
    (tmp_path / "cache" / "a.png").unlink()
    row = dataset[0]
    assert (row["image"].size, row["width"], row["height"]) == (pictures.SIZE, *pictures.SIZE)
    assert row["objects"]["bbox"] == [pytest.approx([10, 20, 20, 40], abs=1e-3)]
    assert row["objects"]["category"] == [1]
    assert dataset[1]["objects"]["bbox"] == []


def test_sounds(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    with wave.open(str(tmp_path / "cache" / "s.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16000))
    segment = regions.segment(SOUNDS["who"], start=0.25, end=0.5, label="Bob")
    words = regions.texts(SOUNDS["words"], "hello")
    tasks = pictures.collection(tmp_path, pictures.task(1, [segment, words], image="s.wav"))
    segments = tasks.to_hf(SOUNDS["who"], tmp_path / "who").with_format("arrow")[:].to_pylist()[0]
    assert segments["segments"] == {"start": [0.25], "end": [0.5], "label": [1]}
    assert segments["audio"]["bytes"] == (tmp_path / "cache" / "s.wav").read_bytes()
    written = tasks.to_hf(SOUNDS["words"], tmp_path / "words").remove_columns("audio")[0]
    assert written == {"task_id": "1", "text": "hello"}


def test_a_second_call_sees_new_annotations(tmp_path: Path) -> None:
    for number, mood in enumerate(("sad", "glad")):
        tasks = collection(task("a", others=(regions.choices(CONTROLS["mood"], mood),)))
        dataset = tasks.to_hf(CONTROLS["mood"], tmp_path / str(number))
        assert dataset.features["label"].int2str(dataset[0]["label"]) == mood
    with pytest.raises(FileExistsError):
        tasks.to_hf(CONTROLS["mood"], tmp_path / "0")


def test_errors_of_the_targets_are_not_hidden(tmp_path: Path) -> None:
    strange = task("a", (0, 1, "PER"))
    strange["annotations"][0]["result"][0]["value"]["labels"] = ["Tree"]
    with pytest.raises(LabelConfigError, match="no label 'Tree'"):
        collection(strange).to_hf(CONTROLS["ner"], tmp_path / "hf")
    assert not (tmp_path / "hf").exists()


def test_no_tasks_are_an_empty_dataset(tmp_path: Path) -> None:
    assert len(collection().to_hf(CONTROLS["ner"], tmp_path / "hf")) == 0
