"""Learns handwritten digits, or whatever small pictures are sorted into choices, from their annotations."""

from pathlib import Path

import joblib
import numpy as np
from PIL import Image
from sklearn.neighbors import KNeighborsClassifier

from label_studio_ml.model import LabelStudioMLBase


class DigitsModel(LabelStudioMLBase):
    """Compares a picture with the labelled ones and says what the nearest of them are."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.classifier = None
        if self.train_output:
            self.classifier = joblib.load(self.train_output["classifier"])

    def pixels(self, task):
        """Return a task's picture as 64 numbers."""
        (schema,) = self.parsed_label_config.values()
        url = task["data"][schema["inputs"][0]["value"]]
        with Image.open(self.get_local_path(url, task_id=task["id"])) as picture:
            return np.asarray(picture.convert("L").resize((8, 8), Image.Resampling.BOX), dtype=float).ravel()

    def predict(self, tasks, **kwargs):
        """Return a choice and how sure it is for each task, or nothing as long as nothing is learnt."""
        if self.classifier is None:
            return [{"result": [], "score": 0.0} for _ in tasks]
        ((from_name, schema),) = self.parsed_label_config.items()
        shares = self.classifier.predict_proba([self.pixels(task) for task in tasks])
        predictions = []
        for share in shares:
            region = {
                "from_name": from_name,
                "to_name": schema["to_name"][0],
                "type": "choices",
                "value": {"choices": [str(self.classifier.classes_[share.argmax()])]},
            }
            predictions.append({"result": [region], "score": float(share.max())})
        return predictions

    def fit(self, annotations, workdir=None, **kwargs):
        """Learn from the project's labelled tasks, and return where the classifier is."""
        pictures, labels = [], []
        for task in annotations:
            regions = [region for annotation in task["annotations"] for region in annotation["result"]]
            if regions:  # a skipped task has none
                pictures.append(self.pixels(task))
                labels.append(regions[-1]["value"]["choices"][0])
        if not labels:
            return {}
        classifier = KNeighborsClassifier(n_neighbors=min(3, len(labels)), weights="distance")
        classifier.fit(pictures, labels)
        path = Path(workdir) / "classifier.joblib"
        joblib.dump(classifier, path)
        return {"classifier": str(path), "labelled": len(labels)}
