"""Targets of annotations and files that a real Label Studio has stored."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from label_studio_ml import regions
from label_studio_ml.config.file_settings import FileSettings
from label_studio_ml.controls import Controls
from label_studio_ml.studio.client import StudioClient
from label_studio_ml.studio.files.fetch import FileAccess
from label_studio_ml.training.dataset import LabelledTasks, from_studio

from .studio import Studio

CONFIG = """<View>
  <Image name="page" value="$image"/>
  <Rectangle name="box" toName="page"/>
  <Labels name="kind" toName="page"><Label value="Title"/><Label value="Line"/></Labels>
  <TextArea name="words" toName="page" perRegion="true"/>
  <Choices name="quality" toName="page"><Choice value="good"/><Choice value="bad"/></Choices>
</View>"""
SIZE = (120, 80)


def result(*xyxy: float, label: str, words: str) -> list[Any]:
    controls = Controls(CONFIG)
    box = regions.box(controls["box"], xyxy=xyxy, size=SIZE, rotation=20)
    label_part = regions.attach(box, controls["kind"], label)
    return [
        box,
        label_part,
        regions.attach(box, controls["words"], words),
        regions.choices(controls["quality"], "good"),
    ]


def test_uploads_and_annotations(label_studio: Studio, tmp_path: Path) -> None:
    project = label_studio.create_project("targets", CONFIG)
    pictures = [tmp_path / f"{number}.png" for number in range(3)]
    for number, path in enumerate(pictures):
        Image.new("RGB", SIZE, (number, 0, 0)).save(path)
    ids = label_studio.upload_files(project, pictures)
    label_studio.annotate(ids[0], result(10, 20, 60, 40, label="Title", words="Hé 😀"))
    label_studio.annotate(ids[0], result(10, 20, 70, 40, label="Line", words="later"))
    label_studio.annotate(ids[1], [])
    skipped = {"result": result(0, 0, 9, 9, label="Line", words="x"), "was_cancelled": True}
    label_studio.call("POST", f"/api/tasks/{ids[0]}/annotations/", json=skipped)
    label_studio.call("POST", f"/api/tasks/{ids[2]}/drafts", json={"result": skipped["result"]})

    client = StudioClient(label_studio.url, label_studio.token)
    tasks = from_studio(client, str(project))
    tasks.use_files(
        FileAccess(
            studio_url=label_studio.url,
            token=label_studio.token,
            cache_dir=tmp_path / "cache",
            rules=FileSettings(private=("*",)),
        )
    )
    box, quality = Controls(CONFIG)["box"], Controls(CONFIG)["quality"]
    latest = {each.task_id: each for each in tasks.targets(box)}
    everything = [(each.task_id, len(each.boxes)) for each in tasks.targets(box, annotation="all")]
    choices = [(each.task_id, each.choice) for each in tasks.targets(quality, files=False)]
    exported = tmp_path / "export.json"
    exported.write_text(
        json.dumps(label_studio.call("GET", f"/api/projects/{project}/export?exportType=JSON"))
    )
    offline = {each.task_id: each for each in LabelledTasks.from_file(exported).targets(box, files=False)}
    client.close()

    assert sorted(latest) == sorted(offline) == ids[:2]
    (target,) = latest[ids[0]].boxes
    assert (target.label, dict(target.values)) == ("Line", {"words": ("later",)})
    assert target.cxcywh == pytest.approx((40, 30, 60, 20), abs=0.01)
    assert target.rotation == pytest.approx(20)
    assert [each.box for each in offline[ids[0]].boxes] == [target.box]
    for number in (0, 1):
        with Image.open(str(latest[ids[number]].path)) as picture:
            assert picture.getpixel((0, 0)) == (number, 0, 0)
        assert latest[ids[number]].size == regions.PictureSize(*SIZE)
    assert everything == [(ids[0], 1), (ids[0], 1), (ids[1], 0)]
    assert choices == [(ids[0], "good"), (ids[1], None)]
