"""Segments of time series, learnt from annotated ranges: a random forest on windows around each row."""

import logging
from itertools import pairwise
from pathlib import Path

import joblib
import numpy as np
from scipy.ndimage import maximum_filter1d, minimum_filter1d, uniform_filter1d
from sklearn.ensemble import ExtraTreesClassifier

from label_studio_ml import regions
from label_studio_ml.errors import BackendError, TrainingDataError
from label_studio_ml.inputs import time_series
from label_studio_ml.model import LabelStudioMLBase

logger = logging.getLogger(__name__)

#: The class of rows outside of all segments.
NOTHING = ""
#: A window is this share of the median segment; there is another one, three times as long.
SHARE = 0.2
#: Numbers beyond it are gaps: their squares would be too large for the forest.
LARGEST = 1e18
#: Rows that the forest learns from at most.
MOST_ROWS = 40_000


class SeriesSegmenter(LabelStudioMLBase):
    """Fills `<TimeSeriesLabels>` with segments of the labels that were annotated."""

    def setup(self):
        """Find the control, and load the forest of the last training with its window and its channels."""
        self.control = self.controls.first("TimeSeriesLabels", on="TimeSeries")
        self.trained = joblib.load(self.train_output["forest"]) if self.train_output else None

    def predict(self, tasks, **kwargs):
        """Return the segments of each task; none before the first training."""
        if self.trained is None:
            return [{"result": [], "score": 0.0} for _ in tasks]
        predictions = []
        for each in self.inputs(self.control, tasks):
            series = time_series(self.control, each)
            control = self.control.for_task(each.task).map_labels(unknown="drop")
            predictions.append(regions.prediction(self.segments(control, series)))
        return predictions

    def segments(self, control, series):
        """Return the segments of a series: rows in succession that the forest gives the same label."""
        forest, window = self.trained["forest"], self.trained["window"]
        rows = features(series, self.trained["channels"], window)
        if not len(rows):
            return []
        # What most rows of a window say counts: a single row that differs makes no segment.
        shares = uniform_filter1d(forest.predict_proba(rows), window, axis=0, mode="nearest")
        best = shares.argmax(axis=1)
        borders = [0, *(np.flatnonzero(np.diff(best)) + 1).tolist(), len(best)]
        found = []
        for start, end in pairwise(borders):
            label = forest.classes_[best[start]]
            if label == NOTHING or end - start < window / 2:
                continue
            score = float(shares[start:end, best[start]].mean())
            last = min(end, len(series.times) - 1)
            found.append(
                regions.segment(control, series.times[start], series.times[last], label, score=score)
            )
        return [each for each in found if each]

    def fit(self, annotations, workdir, job=None, **kwargs):
        """Grow a forest on the rows of all annotated tasks; return its file, its window and how many tasks it knows.

        The tasks are read twice, and only the rows to learn from are kept.
        """
        lengths, count, channels = [], 0, []
        for series, ranges in self.annotated(annotations):
            if job is not None and job.cancelled:
                return None
            lengths += [end - start + 1 for start, end, _ in ranges]
            count += len(series.times)
            channels = channels or list(series.channels)
        if not lengths:
            raise TrainingDataError("Training needs a task with annotated segments")
        window = max(3, round(np.median(lengths) * SHARE))
        step = -(-count // MOST_ROWS)
        rows, labels, seen = [], [], 0
        for series, ranges in self.annotated(annotations):
            if job is not None and job.cancelled:
                return None
            part = slice(-seen % step, None, step)  # as if the rows of all series were one after the other
            rows.append(features(series, channels, window)[part].copy())  # a view would keep the whole array
            labels.append(labels_of(series, ranges)[part].copy())
            seen += len(series.times)
        rows, labels, tasks = np.vstack(rows), np.concatenate(labels), len(rows)
        if len(set(labels.tolist())) < 2:
            raise TrainingDataError(
                "Training needs segments of at least 2 labels, or rows outside of the segments"
            )
        forest = ExtraTreesClassifier(n_estimators=200, min_samples_leaf=3, random_state=0, n_jobs=2)
        forest.fit(rows, labels)
        path = Path(workdir) / "forest.joblib"
        joblib.dump({"forest": forest, "window": window, "channels": channels}, path, compress=3)
        return {"forest": str(path), "window": window, "tasks": tasks}

    def annotated(self, annotations):
        """Yield the series of each annotated task, and first row, last row and label of its segments."""
        targets = annotations.targets(self.control, empty=False, unfetched="drop", unknown="drop")
        for example in targets:
            try:
                series = time_series(self.control, example)
                rows = [(series.row_at(each.start), series.row_at(each.end)) for each in example.segments]
            except (BackendError, ValueError) as error:
                logger.warning("Task %s is left out of the training: %s", example.task_id, error)
                continue
            yield series, [(*ends, each.label) for ends, each in zip(rows, example.segments)]


def labels_of(series, ranges):
    """Return the label of each row; of ranges that overlap, the later one counts."""
    labels = np.full(len(series.times), NOTHING, dtype=object)
    for start, end, label in ranges:
        labels[start : end + 1] = label
    return labels


def features(series, channels, window):
    """Return an array (rows, features): what the channels do in windows around each row.

    Raises ValueError if the series lacks a channel.
    """
    if missing := [name for name in channels if name not in series.channels]:
        raise ValueError(f"The series lacks the channel {missing[0]!r}, which the model has learnt from")
    columns = []
    for name in channels:
        values = filled(np.array(series.channels[name], float))
        change = np.abs(np.diff(values, prepend=values[:1]))
        for width in (window, 3 * window):
            mean = uniform_filter1d(values, width, mode="nearest")
            square = uniform_filter1d(values**2, width, mode="nearest")
            columns += [
                mean,
                np.sqrt(np.maximum(square - mean**2, 0)),
                minimum_filter1d(values, width, mode="nearest"),
                maximum_filter1d(values, width, mode="nearest"),
                uniform_filter1d(change, width, mode="nearest"),
            ]
    return np.stack(columns, axis=1)


def filled(values):
    """Return a column whose gaps are interpolated; zeros if it has no number."""
    known = np.abs(values) <= LARGEST  # false for NaN
    if not known.any():
        return np.zeros(len(values))
    rows = np.arange(len(values))
    return np.interp(rows, rows[known], values[known])
