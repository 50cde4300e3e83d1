"""Labelled pictures for the tests of exports."""

from pathlib import Path
from typing import Any

from PIL import Image

from label_studio_ml.controls import Controls
from label_studio_ml.training.dataset import LabelledTasks

CONFIG = """<View>
  <Image name="photo" value="$image"/>
  <RectangleLabels name="box" toName="photo"><Label value="Person"/><Label value="Car"/></RectangleLabels>
  <PolygonLabels name="area" toName="photo"><Label value="Roof"/><Label value="Wall"/></PolygonLabels>
  <EllipseLabels name="round" toName="photo"><Label value="Wheel"/></EllipseLabels>
  <BrushLabels name="brush" toName="photo"><Label value="Sky"/><Label value="Sea"/></BrushLabels>
  <KeyPointLabels name="joint" toName="photo"><Label value="head"/><Label value="hand"/></KeyPointLabels>
  <Rectangle name="shape" toName="photo"/>
  <Vector name="line" toName="photo"/>
  <Choices name="quality" toName="photo"><Choice value="good"/><Choice value="bad"/></Choices>
</View>"""
CONTROLS = Controls(CONFIG)
WIDTH, HEIGHT = SIZE = (200, 100)


class Files:
    """Local files instead of Label Studio's: the name after the last slash of a URL."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def local_path(self, url: str, *, task_id: Any = None, refresh: bool = False) -> str:
        return str(self.folder / url.rpartition("/")[2])


def task(number: Any, *results: list[Any], image: str = "a.png") -> dict[str, Any]:
    """A task with an annotation for each result."""
    annotations = [
        {"id": at, "completed_by": 10 + at, "updated_at": f"2026-01-01T00:00:{at:02}Z", "result": result}
        for at, result in enumerate(results, 1)
    ]
    return {"id": number, "data": {"image": f"/data/upload/1/{image}"}, "annotations": annotations}


def collection(folder: Path, *tasks: dict[str, Any]) -> LabelledTasks:
    """The tasks as what `fit` gets; their picture is a.png in `folder`."""
    source = folder / "cache"
    source.mkdir(exist_ok=True)
    if not (source / "a.png").exists():
        Image.new("RGB", SIZE, "red").save(source / "a.png")
    annotations = LabelledTasks.from_tasks(list(tasks))
    annotations.use_files(Files(source))  # type: ignore[arg-type]
    return annotations
