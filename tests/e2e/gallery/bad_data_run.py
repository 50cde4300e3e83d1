"""What one of the gallery's models does with broken tasks and poor training data: `bad_data_run.py MODEL` prints JSON.

Run it with a Python that has the model's requirements. It calls the model as the backend's model process does.
"""

import base64
import gc
import importlib.util
import io
import itertools
import json
import resource
import sys
import tempfile
import wave
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from label_studio_ml import samples
from label_studio_ml.controls import Controls
from label_studio_ml.gallery.catalogue import model_named
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_calls.adapter import ModelSpec
from label_studio_ml.model_calls.predictor import Predictor, Request
from label_studio_ml.test_kit.trial_data import bad_values
from label_studio_ml.training.dataset import LabelledTasks
from label_studio_ml.training.job import TrainingJob
from label_studio_ml.versions.state.project_state import Project

Json = dict[str, Any]

#: Label configs of the models that train: with two labels, or the model's own.
CHOICES = """<View><{tag} name="shown" value="$shown"/><Choices name="kind" toName="shown" choice="single">
<Choice value="one"/><Choice value="two"/><Choice value="other"/></Choices></View>"""
CONFIGS = {
    "passage-ranker": """<View><Text name="shown" value="$shown"/><Text name="a" value="$a"/>
<Text name="b" value="$b"/><Choices name="kind" toName="shown" choice="single"><Choice value="one"/>
<Choice value="two"/></Choices></View>""",
    "question-answering": """<View><Text name="question" value="$question"/><Text name="text" value="$text"/>
<Labels name="span" toName="text"><Label value="Answer"/><Label value="Other"/></Labels></View>""",
    "image-classifier": CHOICES.format(tag="Image"),
    "tabular": CHOICES.format(tag="Table"),
    "text-classifier": CHOICES.format(tag="Text"),
    "zero-shot-texts": CHOICES.format(tag="Text"),
}
#: What no task of any kind should have in a field, by a name for it.
BAD_VALUES = {
    name: value
    for values in bad_values.BAD_VALUES.values()
    for name, value in values.items()
    if name not in ("blank", "truth value")
}


def picture(brightness: int) -> str:
    """Return a grey picture with a brighter square as a data URL."""
    image = importlib.import_module("PIL.Image").new("RGB", (64, 64), (brightness,) * 3)
    image.paste((255 - brightness // 2,) * 3, (8 + brightness % 30, 10, 40, 50))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def sound(seconds: float) -> str:
    """Return a sound of alternating loud and silent half-seconds as a data URL."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        for at in range(int(seconds * 2)):
            loud = bytes((1, 40, 1, 200)) if at % 2 else bytes(4)
            file.writeframes(loud * 4000)
    return "data:audio/wav;base64," + base64.b64encode(buffer.getvalue()).decode()


def example(tag: str, number: int) -> tuple[Any, list[tuple[Any, Any, str]]]:
    """Return what an object shows of a task, and segments or spans of it with one of two labels."""
    second = number % 2
    if tag == "Table":
        return {"size": number % 7 + 10 * second, "kind": "ab"[second]}, []
    if tag == "Text":
        name, place = (("Ann", "Rome"), ("Bob", "Oslo"))[second]
        return f"{name} went to {place} by train {number}", [(0, 3, "one"), (12, 16, "two")]
    if tag == "Image":
        return picture(40 + 150 * second + number), []
    if tag == "Audio":
        return sound(3), [(0.5, 1.0, "one"), (1.5, 2.0, "two")]
    rows = [(row * 10 // 40 % 2) * 5 + (row * 7 + number) % 3 / 10 for row in range(120)]
    series = {"time": list(range(120)), "value": rows, "x": rows, "y": rows, "z": rows}
    return series, [(8, 11, "one"), (12, 15, "two"), (16, 19, "one")]


class Trial:
    """One model with one label config, and the tasks that it is tried with."""

    def __init__(self, name: str, folder: Path) -> None:
        self.model = model_named(name)
        sys.path.insert(0, str(self.model.folder))
        spec = importlib.util.spec_from_file_location("tried_model", self.model.folder / "model.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["tried_model"] = module
        spec.loader.exec_module(module)
        (self.kind,) = [
            value
            for value in vars(module).values()
            if isinstance(value, type)
            and issubclass(value, LabelStudioMLBase)
            and value.__module__ == "tried_model"
        ]
        self.config = CONFIGS.get(name) or self.model.text("label_config.xml")
        self.folder = folder
        self.control = next(
            control
            for control in Controls(self.config)
            if any(control.tag in fill.control for fill in self.model.fills)
        )
        self.field = self.control.field
        self._workdirs = itertools.count()

    def task(self, number: int, **data: Any) -> Json:
        """Return a task that can be predicted; `data` replaces its fields."""
        sample = samples.tasks(self.config, 1)[0]["data"]
        tag = self.control.object.tag
        if tag in ("Table", "Text", "Image", "Audio", "TimeSeries"):
            sample[self.field] = example(tag, number)[0]
        return {"id": number, "data": {**sample, **data}}

    def labelled(self, number: int, label: str = "") -> Json:
        """Return a task with one annotation; with `label`, of this label alone."""
        tag, names = self.control.tag, self.control.label_names
        _, segments = example(self.control.object.tag, number)
        values = []
        if tag == "Choices":
            values = [{"choices": [label or names[number % 2]]}]
        for start, end, which in segments if tag != "Choices" else ():
            place: Json = {"start": start, "end": end, tag.lower(): [label or names[which == "two"]]}
            if tag == "TimeSeriesLabels":
                place["instant"] = False
            values.append(place)
        if tag == "RectangleLabels":  # the square of `picture`
            left = (8 + (40 + 150 * (number % 2) + number) % 30) / 64 * 100
            place = {"x": left, "y": 16, "width": 78 - left, "height": 62, "rotation": 0}
            values = [{**place, "rectanglelabels": [label or names[number % 2]]}]
        result = [
            {
                "id": str(at),
                "from_name": self.control.name,
                "to_name": self.control.to_name,
                "type": tag.lower(),
                "value": value,
            }
            for at, value in enumerate(values)
        ]
        annotation = {"id": number, "was_cancelled": False, "ground_truth": False, "result": result}
        return {**self.task(number), "annotations": [annotation]}

    def predictor(self, config: str, output: Mapping[str, Any] | None = None) -> Predictor:
        """Return what the backend calls the model by, of a version that `fit` returned `output` for."""
        model = self.kind(label_config=config, train_output=output)
        return Predictor(model, ModelSpec(project=Project(uid="1.2"), version="v1"))

    def predicted(
        self, tasks: list[Json], config: str = "", output: Mapping[str, Any] | None = None
    ) -> list[Json]:
        """Return an entry for each task, with its `error` if it has no prediction."""
        made = self.predictor(config or self.config, output)
        (answer,) = made.answer([Request(json.dumps(tasks).encode(), b"{}")])
        if answer.error:
            return [{"error": answer.error} for _ in tasks]
        entries: list[Json] = json.loads(answer.results)
        return entries

    def fitted(self, tasks: list[Json], config: str = "", *, is_cancelled: bool = False) -> Json:
        """Return what `fit` returns as `output`, or the `error` that it raises; a job may be cancelled at once."""
        workdir = self.folder / f"version-{next(self._workdirs)}"
        workdir.mkdir()
        try:
            model = self.kind(label_config=config or self.config)
            job = TrainingJob("1", workdir, asked=lambda: is_cancelled)
            output = model.fit(LabelledTasks.from_tasks(tasks, project="1.2"), workdir=workdir, job=job)
        except Exception as error:
            return {"error": str(error), "kind": type(error).__name__}
        return {"output": output}


def predictions(trial: Trial, output: Json | None = None) -> Json:
    """Return what a good task gets alone and among broken ones, and of those by name their ids and what they get."""
    bad = {
        name: trial.task(at, **{trial.field: value}) for at, (name, value) in enumerate(BAD_VALUES.items())
    }
    lacking = trial.task(50)
    del lacking["data"][trial.field]
    bad["missing"] = lacking
    good = trial.task(60)
    alone = trial.predicted([good], output=output)
    first, *entries, last = trial.predicted([good, *bad.values(), good], output=output)
    ids = [task["id"] for task in bad.values()]
    return {
        "alone": alone,
        "good": [first, last],
        "bad": dict(zip(bad, zip(ids, entries, strict=True), strict=True)),
    }


def trainings(trial: Trial) -> Json:
    """Return what `fit` returns or raises, for each kind of training data."""
    many = [trial.labelled(number) for number in range(1, 25)]
    first = trial.control.label_names[0]
    skipped = [
        {**task, "annotations": [{**task["annotations"][0], "was_cancelled": True}]} for task in many[:3]
    ]
    broken = []
    for at, value in enumerate((None, ["x"], BAD_VALUES["no file"], BAD_VALUES["broken file"])):
        task = trial.labelled(100 + at)
        broken.append({**task, "data": {**task["data"], trial.field: value}})
    return {
        "none": trial.fitted([]),
        "only skipped": trial.fitted(skipped),
        "one class": trial.fitted([trial.labelled(number, first) for number in range(1, 9)]),
        "good": trial.fitted(many),
        "some broken": trial.fitted([*many, *broken]),
        "cancelled": trial.fitted(many, is_cancelled=True),
    }


def changed(trial: Trial, output: Json) -> Json:
    """Return what a version predicts after changes of the label config, with the new name and labels of its control."""
    item = "Choice" if trial.control.tag == "Choices" else "Label"
    first, name = trial.control.label_names[0], trial.control.name
    configs = {
        "label added": trial.config.replace(f'value="{first}"', f'value="new"/><{item} value="{first}"'),
        "label removed": trial.config.replace(f'<{item} value="{first}"', f'<{item} value="fresh"'),
        "control renamed": trial.config.replace(f'name="{name}"', 'name="renamed"'),
        "field renamed": trial.config.replace(f'value="${trial.field}"', 'value="$elsewhere"'),
    }
    good = trial.task(61)
    good["data"]["elsewhere"] = good["data"][trial.field]
    found = {}
    for change, config in configs.items():
        control = next(each for each in Controls(config) if each.tag == trial.control.tag)
        try:
            (entry,) = trial.predicted([good], config, output)
        except Exception as error:
            entry = {"error": f"{type(error).__name__}: {error}"}
        found[change] = (entry, control.name, list(control.label_names))
    return found


def growth(trial: Trial) -> float:
    """Return by how many MB the process grows while the model is built and dropped five times more."""

    def resident() -> float:
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6

    for _ in range(2):
        trial.predictor(trial.config)
    before = resident()
    for _ in range(5):
        trial.predictor(trial.config)
        gc.collect()
    return resident() - before


def main(name: str) -> None:
    """Print the report on a model."""
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(name, Path(folder))
        report: Json = {"field": trial.field, "predictions": predictions(trial), "growth": growth(trial)}
        if trial.model.trains:
            report["trainings"] = trainings(trial)
            output = report["trainings"]["good"].get("output")
            report["trained"] = predictions(trial, output)
            report["changed"] = changed(trial, output)
    print(json.dumps(report, default=str), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
