"""`self.inputs`: what a model predicts for, as training examples have it."""

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from label_studio_ml import samples
from label_studio_ml.errors import FileFetchError, ModelError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.protocol.control_tags import WHOLE_TASK
from label_studio_ml.regions import PictureSize
from label_studio_ml.targets import whole_task_values
from label_studio_ml.training.dataset import LabelledTasks


def config(tag: str, control: str, value: str = "$x", **attributes: str) -> str:
    more = " ".join(f'{name}="{text}"' for name, text in attributes.items())
    return (
        f'<View><{tag} name="o" value="{value}" {more}/>'
        f'<{control} name="c" toName="o"><Choice value="A"/><Label value="A"/></{control}></View>'
    )


def picture(width: int, height: int) -> str:
    file = io.BytesIO()
    Image.new("RGB", (width, height)).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def tasks(*values: Any) -> list[dict[str, Any]]:
    return [{"id": number, "data": {"x": value}} for number, value in enumerate(values, 1)]


def model(xml: str) -> LabelStudioMLBase:
    return LabelStudioMLBase(label_config=xml)


def test_texts_of_each_object() -> None:
    text = model(config("Text", "Choices"))
    assert [each.text for each in text.inputs(text.controls[0], tasks("one", "two"))] == ["one", "two"]
    html = model(config("HyperText", "Choices"))
    (page,) = html.inputs(html.controls[0], tasks("<p>one &amp; two</p>"))
    assert (page.text, page.value, page.path) == ("one & two", "<p>one &amp; two</p>", None)


def test_a_text_in_a_file() -> None:
    built = model(config("Text", "Choices", valueType="url"))
    url = "data:text/plain;base64," + base64.b64encode("naïve".encode()).decode()
    (found,) = built.inputs(built.controls[0], tasks(url))
    assert found.text == "naïve"
    assert found.path is not None
    assert found.value == url


def test_pictures_have_paths_and_sizes() -> None:
    built = model(config("Image", "RectangleLabels"))
    first, second = built.inputs(built.controls[0], tasks(picture(30, 20), picture(5, 7)))
    assert [first.size, second.size] == [PictureSize(30, 20), PictureSize(5, 7)]
    assert first.path is not None
    assert Path(first.path).is_file()
    assert (first.text, first.task["id"], second.task["id"]) == (None, 1, 2)
    assert built.inputs(built.controls[0], tasks("no file"), files=False)[0].path is None


def test_each_picture_of_a_list_is_an_input() -> None:
    built = model(config("Image", "RectangleLabels", valueList="$x").replace('value="$x" ', ""))
    found = built.inputs(built.controls[0], tasks([picture(3, 3), picture(4, 4)]))
    assert [(each.item, each.size) for each in found] == [(0, PictureSize(3, 3)), (1, PictureSize(4, 4))]


def test_spans_are_made_of_the_content() -> None:
    built = model(config("Text", "Labels"))
    (found,) = built.inputs(built.controls[0], tasks("Ann"))
    assert found.content is not None
    span = found.content.span(0, 3, "A")
    assert span is not None
    assert span["value"]["text"] == "Ann"


def test_both_sides_of_a_pair() -> None:
    built = model(
        '<View><Text name="a" value="$a"/><Text name="b" value="$b"/><Pairwise name="c" toName="a,b"/></View>'
    )
    (found,) = built.inputs(built.controls[0], [{"id": 1, "data": {"a": "left", "b": "right"}}])
    assert found.values == ("left", "right")


def test_a_file_that_cannot_be_fetched_names_the_task(tmp_path: Path) -> None:
    built = model(config("Image", "Choices"))
    with pytest.raises(FileFetchError):
        built.inputs(built.controls[0], tasks(str(tmp_path / "missing.png")))


def test_a_task_without_the_field_names_it() -> None:
    built = model(config("Text", "Choices"))
    with pytest.raises(ModelError, match=r"Task 1: .*'x'"):
        built.inputs(built.controls[0], [{"id": 1, "data": {}}])


def test_a_damaged_text_names_the_task() -> None:
    built = model(config("Text", "Choices", valueType="url"))
    url = "data:text/plain;base64," + base64.b64encode(b"\xff\xfe\xfa").decode()
    with pytest.raises(ModelError, match="Task 1: its text cannot be read"):
        built.inputs(built.controls[0], tasks(url))


def test_an_override_of_get_local_path_is_used(tmp_path: Path) -> None:
    class Own(LabelStudioMLBase):
        def get_local_path(self, url: str, **kwargs: Any) -> str:  # type: ignore[override]
            return str(tmp_path / url)

    built = Own(label_config=config("Image", "Choices"))
    assert built.inputs(built.controls[0], tasks("a.png"))[0].path == str(tmp_path / "a.png")


@pytest.mark.parametrize(
    "xml",
    [
        config("Text", "Labels"),
        config("HyperText", "Choices"),
        config("Image", "RectangleLabels"),
        config("Audio", "Choices"),
        config("Paragraphs", "ParagraphLabels", nameKey="author", textKey="text", layout="dialogue"),
    ],
    ids=["text", "html", "image", "audio", "paragraphs"],
)
def test_they_are_what_training_examples_have(xml: str) -> None:
    made = samples.tasks(xml, 3)
    annotated = [{**task, "annotations": [{"id": task["id"], "result": []}]} for task in made]
    built = model(xml)
    control = built.controls[0]
    examples = list(LabelledTasks.from_tasks(annotated).targets(control))
    found = built.inputs(control, made)
    assert len(found) == len(examples) == 3
    for example, each in zip(examples, found, strict=True):
        assert (example.value, example.text, example.item) == (each.value, each.text, each.item)
        assert (example.path is None) == (each.path is None)


def test_one_table_of_values_for_the_whole_task() -> None:
    assert set(whole_task_values.WHOLE_TASK) == WHOLE_TASK


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        ("Text", None),
        ("Text", ["x"]),
        ("HyperText", 7),
        ("HyperText", ["x"]),
        ("Paragraphs", "x"),
        ("Paragraphs", [None]),
    ],
)
def test_a_value_that_is_no_text_is_an_error_with_its_task(tag: str, value: Any) -> None:
    built = model(config(tag, "Choices"))
    with pytest.raises(ModelError, match="Task 1: its text cannot be read: The field 'x' must be"):
        built.inputs(built.controls[0], tasks(value))


@pytest.mark.parametrize("value", [None, 7, "", ["x"]])
def test_a_value_that_is_no_url_is_an_error_with_its_task(value: Any) -> None:
    built = model(config("Image", "RectangleLabels"))
    with pytest.raises(FileFetchError, match="Task 2: The URL is empty"):
        built.inputs(built.controls[0], tasks(picture(3, 2), value))


@pytest.mark.parametrize("control", ["field", None])
def test_a_name_in_place_of_a_control_is_an_error(control: Any) -> None:
    with pytest.raises(ValueError, match=r'control must be a control such as self.controls\["name"\]'):
        model(config("Text", "Choices")).inputs(control, tasks("text"))
