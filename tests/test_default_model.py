"""The model that `init` writes where the user brings none: it abstains, learns, and survives a reload."""

import base64
import io
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from label_studio_ml.cli.scaffold import default_model
from label_studio_ml.source import ModelSource, load_class, missing_modules

TEXT = """
<View>
  <Text name="text" value="$review"/>
  <Choices name="mood" toName="text"><Choice value="Good"/><Choice value="Bad"/></Choices>
</View>
"""
IMAGE = TEXT.replace("<Text", "<Image")
BOXES = """
<View>
  <Image name="image" value="$image"/>
  <RectangleLabels name="box" toName="image"><Label value="Cat"/></RectangleLabels>
</View>
"""

GOOD = ["great film", "a great story", "lovely and great", "what a lovely film"]
BAD = ["awful film", "an awful story", "boring and awful", "what a boring film"]


@pytest.fixture(scope="module")
def model_class(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The class, loaded as a backend loads it."""
    script = tmp_path_factory.mktemp("backend") / "model.py"
    script.write_text(default_model(), encoding="utf-8")
    path, before = list(sys.path), dict(sys.modules)
    assert missing_modules(script) == []
    yield load_class(ModelSource(script, "NewModel"))
    sys.path[:] = path
    sys.modules.pop("model", None)
    sys.modules.update({name: module for name, module in before.items() if name == "model"})


def labelled(value: str, label: str, number: int = 1, field: str = "review") -> dict[str, Any]:
    region = {"from_name": "mood", "to_name": "text", "type": "choices", "value": {"choices": [label]}}
    return {
        "id": number,
        "data": {field: value},
        "annotations": [{"result": [region], "was_cancelled": False}],
    }


def texts() -> list[dict[str, Any]]:
    return [labelled(text, "Good") for text in GOOD] + [labelled(text, "Bad") for text in BAD]


def picture(bright: bool, seed: int) -> str:
    """A picture whose left half is bright, or dark, with some noise, as a data URL."""
    pixels = np.random.default_rng(seed).integers(0, 60, (24, 40), dtype=np.uint8)
    pixels[:, : (20 if bright else 0)] += 180
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def test_before_training_it_abstains(model_class: Any) -> None:
    answers = model_class(label_config=TEXT).predict([{"id": 1, "data": {"review": text}} for text in GOOD])
    assert answers == [{"result": [], "score": 0.0}] * 4


def test_it_can_be_built_without_a_label_config(model_class: Any) -> None:
    assert model_class().predict([{"id": 1, "data": {}}]) == [{"result": [], "score": 0.0}]


def test_a_label_config_that_it_cannot_do_is_refused_by_name(model_class: Any) -> None:
    with pytest.raises(ValueError, match="<Choices>; the label config has <RectangleLabels>"):
        model_class(label_config=BOXES)


def test_it_learns_texts_and_keeps_them(model_class: Any, tmp_path: Path) -> None:
    output = model_class(label_config=TEXT).fit(iter(texts()), workdir=str(tmp_path))
    assert output["labels"] == ["Bad", "Good"]
    assert output["annotations"] == 8
    assert 0 <= output["accuracy"] <= 1
    assert Path(output["model_file"]).parent == tmp_path

    served = model_class(label_config=TEXT, train_output=output)
    tasks = [{"id": 1, "data": {"review": "a lovely great day"}}, {"id": 2, "data": {"review": "so boring"}}]
    good, bad = served.predict(tasks)
    assert good["result"][0]["value"] == {"choices": ["Good"]}
    assert bad["result"][0]["value"] == {"choices": ["Bad"]}
    assert {good["result"][0][key] for key in ("from_name", "to_name", "type")} == {"mood", "text", "choices"}
    assert 0.5 < good["score"] < 1
    assert type(good["score"]) is float


def test_its_score_is_the_probability(model_class: Any, tmp_path: Path) -> None:
    output = model_class(label_config=TEXT).fit(texts(), workdir=str(tmp_path))
    served = model_class(label_config=TEXT, train_output=output)
    tasks = [{"data": {"review": text}} for text in ("great lovely great", "great", "xyz")]
    sure, less_sure, unsure = (answer["score"] for answer in served.predict(tasks))
    assert sure > less_sure > unsure
    assert unsure == pytest.approx(0.5, abs=0.05)


def test_it_learns_images(model_class: Any, tmp_path: Path) -> None:
    tasks = [
        labelled(picture(number % 2 == 0, number), "Good" if number % 2 == 0 else "Bad", number)
        for number in range(12)
    ]
    output = model_class(label_config=IMAGE).fit(tasks, workdir=str(tmp_path))
    assert output["accuracy"] == 1
    served = model_class(label_config=IMAGE, train_output=output)
    unseen = [
        {"id": 50 + number, "data": {"review": picture(number == 0, 99 + number)}} for number in range(2)
    ]
    assert [answer["result"][0]["value"]["choices"] for answer in served.predict(unseen)] == [
        ["Good"],
        ["Bad"],
    ]


def test_a_picture_that_cannot_be_read_is_left_out(model_class: Any, tmp_path: Path) -> None:
    tasks = [labelled(picture(number % 2 == 0, number), "GB"[number % 2], number) for number in range(4)]
    tasks.append(labelled("data:image/png;base64,AAAA", "G", 9))
    output = model_class(label_config=IMAGE).fit(tasks, workdir=str(tmp_path))
    assert (output["annotations"], output["unreadable"]) == (4, 1)


@pytest.mark.parametrize(
    "tasks", [[], [labelled("x", "Good")], [labelled("x", "Good"), labelled("y", "Good")]]
)
def test_fewer_than_two_labels_are_refused(model_class: Any, tmp_path: Path, tasks: list[Any]) -> None:
    with pytest.raises(ValueError, match="at least 2 different labels"):
        model_class(label_config=TEXT).fit(tasks, workdir=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_one_task_of_each_label_is_enough(model_class: Any, tmp_path: Path) -> None:
    tasks = [labelled("great", "Good"), labelled("awful", "Bad")]
    output = model_class(label_config=TEXT).fit(tasks, workdir=str(tmp_path))
    assert output["accuracy"] is None
    answer = model_class(label_config=TEXT, train_output=output).predict([{"data": {"review": "great"}}])[0]
    assert answer["result"][0]["value"] == {"choices": ["Good"]}


def test_skipped_annotations_do_not_count_and_the_newest_wins(model_class: Any, tmp_path: Path) -> None:
    changed = labelled("x", "Bad")
    changed["annotations"] += labelled("x", "Good")["annotations"]
    skipped = labelled("y", "Bad")
    skipped["annotations"][0]["was_cancelled"] = True
    other = labelled("z", "Bad")
    other["annotations"][0]["result"][0]["from_name"] = "another control"
    with pytest.raises(ValueError, match=r"found \['Good'\]"):
        model_class(label_config=TEXT).fit([changed, skipped, other], workdir=str(tmp_path))


def test_hypertext_is_read_without_its_tags(model_class: Any, tmp_path: Path) -> None:
    config = TEXT.replace("<Text", "<HyperText")
    tasks = [labelled(f"<b class='awful'>{text}</b>", "Good") for text in GOOD]
    tasks += [labelled(f"<b class='great'>{text}</b>", "Bad") for text in BAD]
    output = model_class(label_config=config).fit(tasks, workdir=str(tmp_path))
    served = model_class(label_config=config, train_output=output)
    answer = served.predict([{"data": {"review": "<i class='awful'>great</i>"}}])[0]
    assert answer["result"][0]["value"] == {"choices": ["Good"]}


def test_it_learns_handwritten_digits(model_class: Any, tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    tasks = []
    for number in range(400):
        file = io.BytesIO()
        Image.fromarray((digits.images[number] * 15).astype(np.uint8)).save(file, "PNG")
        url = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
        tasks.append(labelled(url, str(digits.target[number]), number))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        output = model_class(label_config=IMAGE).fit(tasks[:300], workdir=str(tmp_path))
    served = model_class(label_config=IMAGE, train_output=output)
    answers = served.predict([{"id": task["id"], "data": task["data"]} for task in tasks[300:]])
    right = sum(
        answer["result"][0]["value"]["choices"] == [str(digits.target[300 + number])]
        for number, answer in enumerate(answers)
    )
    assert right >= 85
    assert output["accuracy"] > 0.85
