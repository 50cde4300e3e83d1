# mypy: ignore-errors
"""Two models in one: words that were labelled before are names, and the mood is the one that was chosen last."""

import json
from collections import Counter
from pathlib import Path

from label_studio_ml import regions
from label_studio_ml.combined import Combined, Part
from label_studio_ml.model import LabelStudioMLBase


class Names(LabelStudioMLBase):
    def setup(self):
        self.control = self.controls.first("Labels", on="Text")
        weights = self.train_output.get("weights")
        self.names = set(json.loads(Path(weights).read_text())) if weights else set()

    def predict(self, tasks, **kwargs):
        return [self.found(task) for task in tasks]

    def found(self, task):
        content = regions.labelled_text(self.control, task)
        if "!" in content.text:
            raise ValueError("exclamation marks are not supported")
        spans = []
        start = 0
        for word in content.text.split(" "):
            if word in self.names:
                spans.append(content.span(start, start + len(word), "PER", score=0.9))
            start += len(word) + 1
        return regions.prediction(spans)

    def fit(self, annotations, workdir, **kwargs):
        names = set()
        for task in annotations:
            content = regions.labelled_text(self.control, task)
            for annotation in task["annotations"]:
                for region in annotation["result"]:
                    start, end = content.offsets(region)
                    names.add(content.text[start:end])
        weights = Path(workdir) / "names.json"
        weights.write_text(json.dumps(sorted(names)))
        return {"weights": str(weights), "names": len(names)}


class Mood(LabelStudioMLBase):
    def setup(self):
        self.control = self.controls.first("Choices", on="Text")

    def predict(self, tasks, **kwargs):
        mood = self.train_output.get("mood", self.control.label_names[0])
        return [regions.prediction(regions.choices(self.control, mood, score=0.5)) for _ in tasks]

    def fit(self, annotations, **kwargs):
        moods = Counter(
            region["value"]["choices"][0]
            for task in annotations
            for annotation in task["annotations"]
            for region in annotation["result"]
        )
        return {"mood": moods.most_common(1)[0][0]}


class Both(Combined):
    parts = (Part(Names, controls=["names"]), Part(Mood, controls=["mood"]))
