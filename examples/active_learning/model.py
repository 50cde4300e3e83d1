"""Learns small pictures from few labels, and says of each prediction what `label-studio-ml rank` needs to know."""

from pathlib import Path

import joblib
import numpy as np
from PIL import Image
from sklearn.svm import SVC

from label_studio_ml.model import LabelStudioMLBase


class UncertainDigits(LabelStudioMLBase):
    """A support-vector machine on 8 × 8 pixels."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.machine = joblib.load(self.train_output["machine"]) if self.train_output else None

    def pixels(self, task):
        """Return a task's picture as 64 numbers."""
        with Image.open(self.get_local_path(task["data"]["image"])) as picture:
            return np.asarray(picture.convert("L").resize((8, 8)), dtype=float).ravel() / 255

    def predict(self, tasks, **kwargs):
        """Return for each task a choice, the probability of each class, and the picture as an embedding."""
        pictures = np.array([self.pixels(task) for task in tasks])
        if self.machine is None:
            return [{"result": [], "score": 0.0, "embedding": picture.tolist()} for picture in pictures]
        votes = self.machine.decision_function(pictures)
        if votes.ndim == 1:
            votes = np.stack([-votes, votes], axis=1)
        weights = np.exp(votes - votes.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        predictions = []
        for picture, weight in zip(pictures, weights, strict=True):
            value = {"choices": [str(self.machine.classes_[weight.argmax()])]}
            region = {"from_name": "digit", "to_name": "image", "type": "choices", "value": value}
            predictions.append(
                {
                    "result": [region],
                    "score": float(weight.max()),
                    "probabilities": weight.tolist(),
                    "embedding": picture.tolist(),
                }
            )
        return predictions

    def fit(self, annotations, workdir=None, **kwargs):
        """Learn from the labelled tasks."""
        pictures, digits = [], []
        for task in annotations:
            for annotation in task["annotations"]:
                pictures.append(self.pixels(task))
                digits.append(annotation["result"][0]["value"]["choices"][0])
        machine = SVC(C=10, gamma="scale").fit(np.array(pictures), digits)
        path = Path(workdir) / "machine.joblib"
        joblib.dump(machine, path)
        return {"machine": str(path)}
