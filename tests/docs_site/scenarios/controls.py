"""docs/controls.md, docs/files.md and docs/samples.md: what a model has of its label config and its tasks."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from label_studio_ml import regions, samples
from label_studio_ml.model import LabelStudioMLBase

from ..blocks import block_of
from ..snippets import Snippet, scenario
from .material import MOODS, a_task, untrained

BOXES = block_of("docs/controls.md", "xml").text
PAGE = """<View><HyperText name="page" value="$html"/>
<Labels name="ner" toName="page"><Label value="PER"/></Labels></View>"""
SERIES = """<View><TimeSeries name="series" valueType="json" value="$rows" timeColumn="time">
<Channel column="x"/></TimeSeries>
<TimeSeriesLabels name="state" toName="series"><Label value="Up"/></TimeSeriesLabels></View>"""


@scenario("docs/controls.md", "def setup(self):")
def the_first_control(snippet: Snippet) -> None:
    assert snippet.model(BOXES).box.name == "box"


@scenario("docs/controls.md", "self.box.name, self.box.to_name")
def what_a_control_has(snippet: Snippet) -> None:
    box = untrained(BOXES).controls["box"]
    snippet.run(self=SimpleNamespace(box=box), task=a_task(BOXES))
    assert box.value({"data": {"image": "/data/upload/1.png"}}) == "/data/upload/1.png"


@scenario("docs/controls.md", "for each in self.inputs(self.box, tasks)")
def what_the_object_shows(snippet: Snippet) -> None:
    """Run it once with a page, whose content makes spans, and look at a picture in the same way."""
    model = untrained(PAGE)
    model.box = model.controls["ner"]  # type: ignore[attr-defined]
    html = "<b>Ann Lee</b> sings"
    each = snippet.run(self=model, tasks=[{"id": 3, "data": {"html": html}}])["each"]
    assert (each.text, each.value, each.task["id"]) == ("Ann Lee sings", html, 3)
    picture = untrained(BOXES)
    (shown,) = picture.inputs(picture.controls["box"], [a_task(BOXES)])
    assert shown.path is not None
    assert Path(shown.path).is_file()
    assert shown.size is not None


@scenario("docs/controls.md", "from label_studio_ml.inputs import time_series")
def rows_of_a_time_series(snippet: Snippet) -> None:
    model = untrained(SERIES)
    task = {"id": 1, "data": {"rows": {"time": [10, 20, 30], "x": [1.5, None, 2.5]}}}
    control = model.controls["state"]
    (each,) = model.inputs(control, [task])
    found = snippet.run(self=SimpleNamespace(control=control), each=each, segment=SimpleNamespace(start=20.0))
    assert list(found["series"].times) == [10, 20, 30]
    assert np.isnan(found["series"].channels["x"][1])
    assert found["series"].row_at(20.0) == 1


@scenario("docs/controls.md", "box = box.map_labels(")
def labels_of_the_model(snippet: Snippet) -> None:
    mapped = snippet.run(box=untrained(BOXES).controls["box"])["box"]
    assert mapped.label_map.name("0") == "Person"


@scenario("docs/files.md", "path = self.get_local_path(")
def local_paths(snippet: Snippet) -> None:
    from PIL import Image

    tasks = samples.tasks(BOXES, 3)
    found = snippet.run(self=untrained(BOXES), task=tasks[0], tasks=tasks, Image=Image)
    assert Path(found["path"]).is_file()
    assert Path(found["data"]["image"]).is_file()
    assert found["image"].size > (1, 1)
    assert found["file"].task_id == tasks[-1]["id"]


class Glad(LabelStudioMLBase):
    """A model that finds every text good."""

    def predict(self, tasks, context=None, **kwargs):  # type: ignore[no-untyped-def]
        mood = self.controls["mood"]
        return [regions.prediction(regions.choices(mood, "Good", score=0.5)) for _ in tasks]


@scenario("docs/samples.md", "tasks = samples.tasks(label_config, 10)")
def sample_tasks(snippet: Snippet) -> None:
    found = snippet.run(label_config=MOODS, MyModel=Glad)
    assert [set(task) for task in found["tasks"]] == [{"id", "data"}] * 10
    assert len(found["predictions"]) == 10


@scenario("docs/samples.md", 'samples.tasks(label_config, 10, files="/srv/files/samples")')
def sample_files(snippet: Snippet) -> None:
    folder = snippet.folder / "files"
    snippet.run(replaced={"/srv/files": str(folder)}, label_config=BOXES, samples=samples)
    assert (folder / "samples" / "task-0001-image.png").is_file()
    assert len(list((folder / "samples").iterdir())) == 10
