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

from label_studio_ml import active
from label_studio_ml.cli.create.scaffold import default_model
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.training.dataset import LabelledTasks
from label_studio_ml.user_code.import_scan import missing_modules
from label_studio_ml.user_code.loading import load_class
from label_studio_ml.user_code.model_source import ModelSource

TEXT = """
<View>
  <Text name="text" value="$review"/>
  <Choices name="mood" toName="text"><Choice value="Good"/><Choice value="Bad"/></Choices>
</View>
"""
IMAGE = TEXT.replace("<Text", "<Image")


def with_labels(config: str, *labels: str) -> str:
    """Return a label config with these choices in place of Good and Bad."""
    choices = "".join(f'<Choice value="{label}"/>' for label in labels)
    return config.replace('<Choice value="Good"/><Choice value="Bad"/>', choices)


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


def labelled(
    value: Any, label: str | list[str], number: int = 1, field: str = "review", name: str = "mood"
) -> dict[str, Any]:
    chosen = [label] if isinstance(label, str) else label
    region = {"from_name": name, "to_name": "text", "type": "choices", "value": {"choices": chosen}}
    return {
        "id": number,
        "data": {field: value},
        "annotations": [{"result": [region], "was_cancelled": False}],
    }


def fit(model: Any, tasks: Any, workdir: Path) -> dict[str, Any]:
    """Train as a backend does: with a collection that can be split."""
    tasks = list(tasks)
    output: dict[str, Any] = model.fit(
        LabelledTasks(lambda: tasks, "a test", project="1"), workdir=str(workdir)
    )
    return output


def choices(prediction: dict[str, Any]) -> list[str]:
    found: list[str] = prediction["result"][0]["value"]["choices"] if prediction["result"] else []
    return found


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
    assert [(answer["result"], answer["score"]) for answer in answers] == [([], 0.0)] * 4
    assert [answer["probabilities"] for answer in answers] == [[0.5, 0.5]] * 4


def test_it_can_be_built_without_a_label_config(model_class: Any) -> None:
    assert model_class().predict([{"id": 1, "data": {}}]) == [{"result": [], "score": 0.0}]


def test_a_label_config_that_it_cannot_do_is_refused_by_name(model_class: Any) -> None:
    with pytest.raises(LabelConfigError, match=r"<Choices>.*<RectangleLabels"):
        model_class(label_config=BOXES)


def test_it_learns_texts_and_keeps_them(model_class: Any, tmp_path: Path) -> None:
    output = fit(model_class(label_config=TEXT), iter(texts()), tmp_path)
    assert output["labels"] == ["Bad", "Good"]
    assert output["annotations"] == 8
    assert output["accuracy"] is None, "too few to hold some out"
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
    output = fit(model_class(label_config=TEXT), texts(), tmp_path)
    served = model_class(label_config=TEXT, train_output=output)
    tasks = [{"data": {"review": text}} for text in ("great lovely great", "great", "xyz")]
    sure, less_sure, unsure = (answer["score"] for answer in served.predict(tasks))
    assert sure > less_sure > unsure
    assert unsure == pytest.approx(0.5, abs=0.05)


def test_it_learns_images(model_class: Any, tmp_path: Path) -> None:
    tasks = [
        labelled(picture(number % 2 == 0, number), "Good" if number % 2 == 0 else "Bad", number)
        for number in range(40)
    ]
    output = fit(model_class(label_config=IMAGE), tasks, tmp_path)
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
    output = fit(model_class(label_config=with_labels(IMAGE, "G", "B")), tasks, tmp_path)
    assert (output["annotations"], output["left_out"]) == (4, 1)


def test_a_label_that_was_removed_is_left_out(model_class: Any, tmp_path: Path) -> None:
    """Before a training and after one."""
    output = fit(model_class(label_config=TEXT), [*texts(), labelled("so so", "Fair")], tmp_path)
    assert (output["labels"], output["left_out"]) == (["Bad", "Good"], 1)
    changed = model_class(label_config=with_labels(TEXT, "Bad", "Fair"), train_output=output)
    assert choices(changed.predict([{"id": 1, "data": {"review": "great"}}])[0]) == ["Bad"]


@pytest.mark.parametrize(
    "tasks", [[], [labelled("x", "Good")], [labelled("x", "Good"), labelled("y", "Good")]]
)
def test_fewer_than_two_labels_are_refused(model_class: Any, tmp_path: Path, tasks: list[Any]) -> None:
    with pytest.raises(ValueError, match="at least 2 different labels"):
        fit(model_class(label_config=TEXT), tasks, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_one_task_of_each_label_is_enough(model_class: Any, tmp_path: Path) -> None:
    tasks = [labelled("great", "Good"), labelled("awful", "Bad")]
    output = fit(model_class(label_config=TEXT), tasks, tmp_path)
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
        fit(model_class(label_config=TEXT), [changed, skipped, other], tmp_path)


def test_hypertext_is_read_without_its_tags(model_class: Any, tmp_path: Path) -> None:
    config = TEXT.replace("<Text", "<HyperText")
    tasks = [labelled(f"<b class='awful'>{text}</b>", "Good") for text in GOOD]
    tasks += [labelled(f"<b class='great'>{text}</b>", "Bad") for text in BAD]
    output = fit(model_class(label_config=config), tasks, tmp_path)
    served = model_class(label_config=config, train_output=output)
    answer = served.predict([{"data": {"review": "<i class='awful'>great</i>"}}])[0]
    assert answer["result"][0]["value"] == {"choices": ["Good"]}


def test_it_learns_handwritten_digits(model_class: Any, tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    config = with_labels(IMAGE, *map(str, range(10)))
    tasks = []
    for number in range(400):
        file = io.BytesIO()
        Image.fromarray((digits.images[number] * 15).astype(np.uint8)).save(file, "PNG")
        url = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
        tasks.append(labelled(url, str(digits.target[number]), number))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        output = fit(model_class(label_config=config), tasks[:300], tmp_path)
    served = model_class(label_config=config, train_output=output)
    answers = served.predict([{"id": task["id"], "data": task["data"]} for task in tasks[300:]])
    right = sum(
        answer["result"][0]["value"]["choices"] == [str(digits.target[300 + number])]
        for number, answer in enumerate(answers)
    )
    assert right >= 85
    assert output["accuracy"] > 0.85


def test_it_holds_tasks_out_and_is_measured_on_them(model_class: Any, tmp_path: Path) -> None:
    """What `evaluate` measures on later, the model has not seen."""
    tasks = [labelled(f"great {number}", "Good", number) for number in range(30)]
    tasks += [labelled(f"awful {number}", "Bad", number) for number in range(30, 60)]
    annotations = LabelledTasks(lambda: tasks, "a test", project="1")
    output = model_class(label_config=TEXT).fit(annotations, workdir=str(tmp_path))
    _, test = annotations.split(test=0.2)
    assert output["annotations"] == 60 - len(test)
    assert 4 <= len(test) <= 20
    assert output["accuracy"] == 1
    vocabulary = model_class(label_config=TEXT, train_output=output).classifier[0].vocabulary_
    assert not [task["id"] for task in test if str(task["id"]) in vocabulary]
    assert "great" in vocabulary


@pytest.mark.parametrize("config", [TEXT, IMAGE], ids=["text", "image"])
def test_rank_has_what_it_needs(model_class: Any, tmp_path: Path, config: str) -> None:
    """Before any training and after one; tasks that are alike have embeddings near each other."""
    is_image = config == IMAGE
    config = with_labels(config, "G", "B")
    if is_image:
        values = [picture(number % 2 == 0, number) for number in range(8)]
        near, far = values[2], values[1]
    else:
        values = [text for pair in zip(GOOD, BAD, strict=True) for text in pair]
        near, far = "a great film", "awful"
    tasks = [labelled(value, "GB"[number % 2], number) for number, value in enumerate(values)]
    output = fit(model_class(label_config=config), tasks, tmp_path)
    asked = [{"id": 1, "data": {"review": value}} for value in (values[0], near, far)]
    for train_output in ({}, output):
        answers = model_class(label_config=config, train_output=train_output).predict(asked)
        shares = [answer["probabilities"] for answer in answers]
        places = np.array([answer["embedding"] for answer in answers])
        assert active.margin(shares).shape == (3,)
        first = active.covering(places, shares, labelled=[0], count=1).tolist()
        assert first == [2], "what is unlike the labelled one"
        assert np.linalg.norm(places[0] - places[1]) < np.linalg.norm(places[0] - places[2])
    assert [max(share) for share in shares] == pytest.approx([answer["score"] for answer in answers])


def test_texts_behind_urls_are_read(model_class: Any, tmp_path: Path) -> None:
    config = TEXT.replace("$review", '$review" valueType="url')
    tasks = texts()
    for task in tasks:
        encoded = base64.b64encode(task["data"]["review"].encode()).decode()
        task["data"]["review"] = f"data:text/plain;base64,{encoded}"
    output = fit(model_class(label_config=config), tasks, tmp_path)
    served = model_class(label_config=config, train_output=output)
    assert {"great", "awful"} <= set(served.classifier[0].vocabulary_)
    url = "data:text/plain;base64," + base64.b64encode(b"great").decode()
    assert choices(served.predict([{"id": 1, "data": {"review": url}}])[0]) == ["Good"]


@pytest.mark.parametrize(
    ("good", "bad", "new"),
    [
        (
            ["这部电影很好看", "我很喜欢这个故事", "音乐好听"],
            ["这部电影很难看", "我讨厌这个故事", "音乐难听"],
            "故事很好听",
        ),
        (["とても楽しい映画", "楽しかったです"], ["とても悲しい映画", "悲しかったです"], "楽しい音楽"),
        (["หนังสนุกมาก", "เพลงสนุกดี"], ["หนังน่าเบื่อมาก", "เพลงน่าเบื่อ"], "เรื่องนี้สนุก"),
    ],
    ids=["Chinese", "Japanese", "Thai"],
)
def test_scripts_without_blanks(
    model_class: Any, tmp_path: Path, good: list[str], bad: list[str], new: str
) -> None:
    """A sentence that was never seen is judged by the characters that it shares."""
    tasks = [labelled(text, "Good", number) for number, text in enumerate(good)]
    tasks += [labelled(text, "Bad", 10 + number) for number, text in enumerate(bad)]
    output = fit(model_class(label_config=TEXT), tasks, tmp_path)
    (answer,) = model_class(label_config=TEXT, train_output=output).predict([{"data": {"review": new}}])
    assert choices(answer) == ["Good"]
    assert answer["score"] > 0.55


@pytest.mark.parametrize(
    ("value", "data"),
    [
        ("$review.body", lambda text: {"review": {"body": text}}),
        ("$reviews[0].body", lambda text: {"reviews": [{"body": text}]}),
        ("$review.body", lambda text: {"review.body": text}),
    ],
)
def test_fields_inside_of_others(model_class: Any, tmp_path: Path, value: str, data: Any) -> None:
    config = TEXT.replace("$review", value)
    tasks = [{**task, "data": data(task["data"]["review"])} for task in texts()]
    output = fit(model_class(label_config=config), tasks, tmp_path)
    served = model_class(label_config=config, train_output=output)
    assert choices(served.predict([{"id": 1, "data": data("a lovely great day")}])[0]) == ["Good"]


def test_choices_for_single_regions_are_passed_over(model_class: Any, tmp_path: Path) -> None:
    first = (
        '<Labels name="span" toName="text"><Label value="Actor"/></Labels>'
        '<Choices name="sure" toName="text" perRegion="true"><Choice value="Yes"/><Choice value="No"/></Choices>'
    )
    config = TEXT.replace("<Choices", f"{first}<Choices", 1)
    assert config.index("sure") < config.index("mood")
    tasks = texts()
    for task in tasks:
        about_region = labelled("", "Yes", name="sure")["annotations"][0]["result"]
        task["annotations"][0]["result"] = about_region + task["annotations"][0]["result"]
    output = fit(model_class(label_config=config), tasks, tmp_path)
    assert output["labels"] == ["Bad", "Good"]
    (answer,) = model_class(label_config=config, train_output=output).predict([{"data": {"review": "great"}}])
    assert (answer["result"][0]["from_name"], choices(answer)) == ("mood", ["Good"])
    with pytest.raises(LabelConfigError, match=r"This model needs a <Choices> .* without perRegion"):
        model_class(label_config=config.replace('name="mood"', 'name="mood" perRegion="true"'))


def test_nested_choices_are_learnt_and_measured(model_class: Any, tmp_path: Path) -> None:
    """With `allowNested`, a choice is a list of names."""
    nested = with_labels(TEXT, "Good").replace(
        '<Choice value="Good"/>', '<Choice value="Good"><Choice value="Bad"/></Choice>'
    )
    config = nested.replace("<Choices", '<Choices allowNested="true"')
    tasks = [
        labelled(text, [path], number)  # type: ignore[list-item]
        for number, (text, path) in enumerate(
            [*((text, ["Good"]) for text in GOOD * 3), *((text, ["Good", "Bad"]) for text in BAD * 3)], 1
        )
    ]
    output = fit(model_class(label_config=config), tasks, tmp_path)
    assert output["accuracy"] is not None
    (entry,) = model_class(label_config=config, train_output=output).predict(
        [{"id": 1, "data": {"review": BAD[0]}}]
    )
    assert entry["result"][0]["value"]["choices"] == [["Good", "Bad"]]


def test_several_choices_at_once(model_class: Any, tmp_path: Path) -> None:
    config = with_labels(TEXT, "Funny", "Sad").replace('name="mood"', 'name="mood" choice="multiple"')
    kinds = {"funny": ["Funny"], "sad": ["Sad"], "sad and funny": ["Funny", "Sad"]}
    tasks = [
        labelled(f"{text} film {number}", labels, number)
        for number, (text, labels) in enumerate(list(kinds.items()) * 20)
    ]
    output = fit(model_class(label_config=config), tasks, tmp_path)
    assert output["labels"] == ["Funny", "Sad"]
    assert output["accuracy"] == 1
    served = model_class(label_config=config, train_output=output)
    answers = served.predict([{"id": 1, "data": {"review": text}} for text in (*kinds, "an unknown one")])
    assert [choices(answer) for answer in answers[:3]] == [*kinds.values()]
    assert all(sum(answer["probabilities"]) == pytest.approx(1) for answer in answers)
    assert all(answer["score"] == max(answer["probabilities"]) for answer in answers)
    assert answers[3]["score"] < min(answer["score"] for answer in answers[:3]), "it is less sure there"
