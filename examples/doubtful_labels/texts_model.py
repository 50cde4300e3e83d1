"""Learns which choice a text belongs to: a logistic regression on its words and parts of words."""

from pathlib import Path

import joblib
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from label_studio_ml import regions
from label_studio_ml.model import LabelStudioMLBase


class WordsModel(LabelStudioMLBase):
    """Fills `<Choices>` for a `<Text>`."""

    def setup(self):
        """Find the project's control, and load what the last training has learnt."""
        self.choices = self.controls.first("Choices", on="Text")
        self.classifier = joblib.load(self.train_output["classifier"]) if self.train_output else None

    def predict(self, tasks, **kwargs):
        """Return a choice and the probability of each for each task; nothing before the first training."""
        if self.classifier is None:
            return [{"result": [], "score": 0.0} for _ in tasks]
        names = [str(name) for name in self.classifier.classes_]
        texts = [each.text for each in self.inputs(self.choices, tasks)]
        return [
            regions.prediction(
                regions.best_choices(self.choices, shares, names),
                probabilities=dict(zip(names, map(float, shares), strict=True)),
            )
            for shares in self.classifier.predict_proba(texts)
        ]

    def fit(self, annotations, workdir, **kwargs):
        """Learn from the labelled tasks, and return where the classifier is."""
        examples = list(annotations.targets(self.choices, empty=False))
        words = TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(2, 5))
        classifier = make_pipeline(words, LogisticRegression(C=30, max_iter=1000))
        classifier.fit([example.text for example in examples], [example.choice for example in examples])
        path = Path(workdir) / "classifier.joblib"
        joblib.dump(classifier, path)
        return {"classifier": str(path)}
