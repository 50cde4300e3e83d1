"""A random forest on the columns of each task. It predicts the choices, the rating or the number of a row."""

import logging
from pathlib import Path

import joblib
import numpy
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction import DictVectorizer
from sklearn.pipeline import make_pipeline

from label_studio_ml import regions
from label_studio_ml.errors import TrainingDataError
from label_studio_ml.model import LabelStudioMLBase

logger = logging.getLogger(__name__)

#: Longer texts are no categories.
LONGEST_CATEGORY = 200
#: The largest number that a forest takes.
LARGEST = float(numpy.finfo(numpy.float32).max)
#: The controls that it fills, and the objects of which it reads the task's fields; a `<Table>` goes first.
CONTROLS, OTHER_OBJECTS = ("Choices", "Rating", "Number"), ("Text", "HyperText", "List")


class TabularModel(LabelStudioMLBase):
    """Fills `<Choices>`, `<Rating>` or `<Number>` from the columns of a task."""

    def setup(self):
        """Find the control of the project, and load the forest of the last training with its labels."""
        control = self.controls.find(CONTROLS, on="Table", per_region=False)
        if control is None:
            control = self.controls.first(CONTROLS, on=("Table", *OTHER_OBJECTS), per_region=False)
        self.control = control.map_labels(unknown="drop")
        self.forest, self.labels = (
            joblib.load(self.train_output["forest"]) if self.train_output else (None, [])
        )

    def predict(self, tasks, **kwargs):
        """Return a prediction for each task; an empty one before the first training."""
        if self.forest is None:
            return [{"result": [], "score": 0.0} for _ in tasks]
        rows = [self.columns(task) for task in tasks]
        if self.control.tag == "Choices":
            return [
                regions.prediction(regions.best_choices(self.control, shares, self.labels))
                for shares in self.probabilities(rows)
            ]
        return [self.number(value) for value in self.forest.predict(rows)]

    def probabilities(self, rows):
        """Return the probability of each label for each row, as an array (rows, labels)."""
        shares = self.forest.predict_proba(rows)
        if isinstance(
            shares, list
        ):  # of several choices: for each label an array of its absence and its presence
            return numpy.stack([each[:, 1] for each in shares], axis=1)
        return shares if shares.shape[1] == len(self.labels) else shares[:, 1:]

    def fit(self, annotations, workdir, job=None, **kwargs):
        """Grow a forest on the annotated tasks; return its file and how many tasks it has learnt from."""
        # No choice is an answer where several may be chosen, but not if Label Studio may have hidden the control.
        empty = self.control.is_multiple and not self.control.conditions
        rows, answers = [], []
        for example in annotations.targets(self.control, empty=empty, unknown="drop"):
            if job is not None and job.cancelled:
                return None
            try:
                rows.append(self.columns(example.task))
            except (KeyError, ValueError) as error:
                logger.warning("Task %s is left out of the training: %s", example.task_id, error)
                continue
            answers.append(self.answer(example))
        if len(set(answers)) < 2:
            raise TrainingDataError(
                f"Training needs tasks with at least 2 different values of {self.control.name}"
            )
        if self.control.tag == "Choices":
            forest = RandomForestClassifier(n_estimators=300, random_state=0)
            labels, answers = encoded(answers, self.control.is_multiple)
        else:
            forest, labels = RandomForestRegressor(n_estimators=300, min_samples_leaf=2, random_state=0), []
        pipeline = make_pipeline(DictVectorizer(), forest).fit(rows, answers)
        path = Path(workdir) / "forest.joblib"
        joblib.dump((pipeline, labels), path, compress=3)
        return {"forest": str(path), "tasks": len(rows)}

    def columns(self, task):
        """Return the columns of a task by name: numbers as they are, short texts as categories.

        Raises KeyError if the task lacks the table's field, and ValueError if its value has no columns, or a number
        that is too large.
        """
        data = self.control.value(task) if self.control.object.tag == "Table" else task["data"]
        if not isinstance(data, dict):
            raise ValueError(
                f"Task {task.get('id')}: {self.control.object.name!r} shows no object with columns"
            )
        columns = {}
        for name, value in data.items():
            if isinstance(value, str) and len(value) <= LONGEST_CATEGORY:
                columns[name] = value
            elif isinstance(value, bool | int | float):
                if not abs(value) <= LARGEST:
                    raise ValueError(f"Task {task.get('id')}: the number in the column {name!r} is too large")
                columns[name] = float(value)
        return columns

    def answer(self, example):
        """Return what the forest learns of an annotated task: its labels or its number."""
        if self.control.tag == "Choices":
            # Of several, the order does not count; where one may be chosen, an older annotation may have more.
            return tuple(sorted(example.choices)) if self.control.is_multiple else example.choices[:1]
        return example.rating if self.control.tag == "Rating" else example.number

    def number(self, value):
        """Return the prediction of a rating or a number."""
        if self.control.tag == "Rating":
            return regions.prediction(regions.rating(self.control, round(value)))
        return regions.prediction(regions.quantity(self.control, float(value)))


def encoded(answers, several):
    """Return the labels, and each answer as the number of its label, or as a row of zeros and ones if `several` may be.

    Of several, a label that all answers have is left out: there is no task to tell it from.
    """
    if not several:
        labels = sorted({answer[0] for answer in answers})
        return labels, [labels.index(answer[0]) for answer in answers]
    labels = sorted({label for answer in answers for label in answer})
    labels = [label for label in labels if not all(label in answer for answer in answers)]
    chosen = numpy.array([[label in answer for label in labels] for answer in answers], int)
    return labels, chosen if len(labels) > 1 else chosen[:, 0]
