"""Learns handwritten digits, or whatever small pictures are sorted into choices, from their annotations."""

from pathlib import Path

import joblib
import numpy as np
from PIL import Image
from sklearn.neighbors import KNeighborsClassifier

from label_studio_ml import regions
from label_studio_ml.model import LabelStudioMLBase


class DigitsModel(LabelStudioMLBase):
    """Compares a picture with the labelled ones and says what the nearest of them are."""

    def setup(self):
        """Find the project's control, and load what the last training has learnt."""
        self.choices = self.controls.first("Choices", on="Image")
        self.classifier = joblib.load(self.train_output["classifier"]) if self.train_output else None

    def predict(self, tasks, **kwargs):
        """Return a choice and how sure it is for each task, or nothing as long as nothing is learnt."""
        if self.classifier is None:
            return [{"result": [], "score": 0.0} for _ in tasks]
        pictures = [pixels(each.path) for each in self.inputs(self.choices, tasks)]
        names = self.classifier.classes_
        return [
            regions.prediction(regions.best_choices(self.choices, shares, names))
            for shares in self.classifier.predict_proba(pictures)
        ]

    def fit(self, annotations, workdir=None, **kwargs):
        """Learn from the project's labelled tasks, and return where the classifier is."""
        pictures, labels = [], []
        for example in annotations.targets(self.choices, empty=False):
            pictures.append(pixels(example.path))
            labels.append(example.choice)
        if not labels:
            return {}
        classifier = KNeighborsClassifier(n_neighbors=min(3, len(labels)), weights="distance")
        classifier.fit(pictures, labels)
        path = Path(workdir) / "classifier.joblib"
        joblib.dump(classifier, path)
        return {"classifier": str(path), "labelled": len(labels)}


def pixels(path):
    """Return a picture as 64 numbers."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("L").resize((8, 8), Image.Resampling.BOX), dtype=float).ravel()
