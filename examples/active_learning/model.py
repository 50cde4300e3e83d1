"""Learns small pictures from few labels, and says of each prediction what `label-studio-ml rank` needs to know."""

from pathlib import Path

import joblib
import numpy as np
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from label_studio_ml import regions
from label_studio_ml.model import LabelStudioMLBase

CLASSIFIERS = {
    "svm": lambda: SVC(C=10, gamma="scale"),
    "logistic": lambda: LogisticRegression(C=10, max_iter=1000),
}


def learned(pictures, digits, classifier="svm"):
    """Return a classifier of pictures (rows of 64 bytes), or None while all that is labelled shows one digit."""
    if len(set(digits)) < 2:
        return None
    return CLASSIFIERS[classifier]().fit(features(pictures), digits)


def features(pictures):
    """Return what is learned from, which is the embedding too: the pixels, from 0 to 1."""
    return np.asarray(pictures) / 255


def probabilities(machine, pictures):
    """Return how probable each class is, for each picture: a support-vector machine's votes, scaled."""
    if hasattr(machine, "predict_proba"):
        return machine.predict_proba(features(pictures))
    votes = machine.decision_function(features(pictures))
    if votes.ndim == 1:
        votes = np.stack([-votes, votes], axis=1)
    weights = np.exp(votes - votes.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


class UncertainDigits(LabelStudioMLBase):
    """A support-vector machine on 8 × 8 pixels, trained after every 5 labels, 10 to begin with."""

    train_every = 5
    min_annotations = 10

    def setup(self):
        """Find the project's control, and load what the last training has learnt."""
        self.digits = self.controls.first("Choices", on="Image")
        self.machine = joblib.load(self.train_output["machine"]) if self.train_output else None

    def predict(self, tasks, **kwargs):
        """Return for each task a choice, the probability of each class, and the picture as an embedding."""
        pictures = np.array([picture(each.path) for each in self.inputs(self.digits, tasks)])
        embeddings = features(pictures).tolist()
        if self.machine is None:
            return [{"result": [], "score": 0.0, "embedding": embedding} for embedding in embeddings]
        shares = probabilities(self.machine, pictures)
        chosen = self.machine.predict(features(pictures))
        return [
            regions.prediction(
                regions.choices(self.digits, str(digit)),
                score=float(share.max()),
                probabilities=share.tolist(),
                embedding=embedding,
            )
            for digit, share, embedding in zip(chosen, shares, embeddings, strict=True)
        ]

    def fit(self, annotations, workdir=None, **kwargs):
        """Learn from the labelled tasks."""
        pictures, digits = [], []
        for example in annotations.targets(self.digits, empty=False):
            pictures.append(picture(example.path))
            digits.append(example.choice)
        machine = learned(pictures, digits)
        if machine is None:
            return {}
        path = Path(workdir) / "machine.joblib"
        joblib.dump(machine, path)
        return {"machine": str(path), "labels": len(digits)}


def picture(path):
    """Return a picture as 64 bytes."""
    with Image.open(path) as image:
        return np.asarray(image.convert("L").resize((8, 8))).ravel()
