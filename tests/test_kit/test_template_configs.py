"""Which of Label Studio's templates a class is tested with."""

from pathlib import Path

import pytest

from label_studio_ml.errors import SettingsError
from label_studio_ml.test_kit.trial_data.template_configs import fitting_templates

CHOICES = (
    '<View><Text name="t" value="$t"/><Choices name="{}" toName="t"><Choice value="A"/></Choices></View>'
)
BOXES = '<View><Image name="i" value="$i"/><Rectangle name="b" toName="i"/></View>'


def add(folder: Path, name: str, **files: str) -> None:
    (folder / name).mkdir(parents=True)
    for suffix, text in files.items():
        content = f"title: x\nconfig: |\n  {text}\n" if suffix == "yml" else text
        (folder / name / f"config.{suffix}").write_text(content)


def test_a_template_in_two_files_is_taken_once_from_the_one_that_label_studio_reads(tmp_path: Path) -> None:
    add(tmp_path, "texts/both", xml=CHOICES.format("old"), yml=CHOICES.format("new"))
    add(tmp_path, "texts/xml", xml=CHOICES.format("only"))
    add(tmp_path, "texts/empty", xml=CHOICES.format("rest"), yml="")
    add(tmp_path, "pictures/boxes", yml=BOXES)
    found = dict(fitting_templates(tmp_path, [("Choices", "Text")]))
    assert list(found) == ["texts/both", "texts/empty", "texts/xml"]
    assert 'name="new"' in found["texts/both"]
    assert dict(fitting_templates(tmp_path, [("Rectangle", "")])).keys() == {"pictures/boxes"}


def test_a_folder_without_templates_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="has no templates"):
        list(fitting_templates(tmp_path, [("Choices", "")]))
