"""A random forest on the columns of each task. It predicts the choice, the rating or the number of a row."""

from pathlib import Path

import joblib
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction import DictVectorizer
from sklearn.pipeline import make_pipeline

from label_studio_ml import regions
from label_studio_ml.model import LabelStudioMLBase

#: Longer texts are no categories.
LONGEST_CATEGORY = 200


class TabularModel(LabelStudioMLBase):
    """Fills `<Choices>`, `<Rating>` or `<Number>` from the columns of a task."""

    def setup(self):
        """Find the control of the project, and load the forest of the last training."""
        self.control = self.controls.first(("Choices", "Rating", "Number"), per_region=False)
        self.forest = joblib.load(self.train_output["forest"]) if self.train_output else None

    def predict(self, tasks, **kwargs):
        """Return a prediction for each task; an empty one before the first training."""
        if self.forest is None:
            return [{"result": [], "score": 0.0} for _ in tasks]
        rows = [self.columns(task) for task in tasks]
        if self.control.tag == "Choices":
            labels = self.forest.classes_
            return [
                regions.prediction(
                    regions.best_choices(self.control, shares, labels), score=float(max(shares))
                )
                for shares in self.forest.predict_proba(rows)
            ]
        return [self.number(value) for value in self.forest.predict(rows)]

    def fit(self, annotations, workdir, **kwargs):
        """Grow a forest on the annotated tasks; return its file and how many tasks it has learnt from."""
        rows, answers = [], []
        for example in annotations.targets(self.control, empty=False, unknown="drop"):
            rows.append(self.columns(example.task))
            answers.append(self.answer(example))
        if len(set(answers)) < 2:
            raise ValueError(f"Training needs tasks with at least 2 different values of {self.control.name}")
        forest = RandomForestClassifier if self.control.tag == "Choices" else RandomForestRegressor
        self.forest = make_pipeline(DictVectorizer(sparse=False), forest(n_estimators=300, random_state=0))
        self.forest.fit(rows, answers)
        path = Path(workdir) / "forest.joblib"
        joblib.dump(self.forest, path)
        return {"forest": str(path), "tasks": len(rows)}

    def columns(self, task):
        """Return the columns of a task by name: numbers as they are, short texts as categories."""
        data = self.control.value(task) if self.control.object.tag == "Table" else task["data"]
        return {
            name: float(value) if isinstance(value, bool | int | float) else value
            for name, value in data.items()
            if isinstance(value, bool | int | float)
            or (isinstance(value, str) and len(value) <= LONGEST_CATEGORY)
        }

    def answer(self, example):
        """Return what the forest learns of an annotated task: its label or its number."""
        if self.control.tag == "Choices":
            return example.choice
        return example.rating if self.control.tag == "Rating" else example.number

    def number(self, value):
        """Return the prediction of a rating or a number."""
        if self.control.tag == "Rating":
            return regions.prediction(regions.rating(self.control, round(value)))
        return regions.prediction(regions.quantity(self.control, float(value)))
