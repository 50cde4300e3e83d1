# mypy: ignore-errors
"""A model that learns each word's label; a training waits while a file `hold` lies beside this file."""

import time
from pathlib import Path

from label_studio_ml import regions
from label_studio_ml.model import LabelStudioMLBase

HERE = Path(__file__).resolve().parent


class SmallModel(LabelStudioMLBase):
    train_every = 0  # trainings begin when a command says so

    def setup(self):
        self.choices = self.controls.first("Choices", on="Text")
        self.words = self.train_output.get("words", {})

    def predict(self, tasks, **kwargs):
        names = self.choices.label_names
        predictions = []
        for each in self.inputs(self.choices, tasks):
            known = [self.words[word] for word in each.text.split() if word in self.words]
            shares = [(known.count(name) + 1) / (len(known) + len(names)) for name in names]
            chosen = regions.best_choices(self.choices, shares, names)
            found = dict(zip(names, shares, strict=True))
            predictions.append({**regions.prediction(chosen), "probabilities": found})
        return predictions

    def fit(self, annotations, job, **kwargs):
        words = {}
        for example in annotations.targets(self.choices, empty=False):
            words.update(dict.fromkeys(example.text.split(), example.choice))
        while (HERE / "hold").exists() and not job.cancelled:
            (HERE / "holding").touch()
            time.sleep(0.05)
        return {"words": words, "count": len(words)}
