"""Change points of time series: kernel change point detection on the level and the variation of all channels.

`<TimeSeriesLabels>` gets the segments between the change points; with a label such as "Change point", the points.
"""

import logging
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import ruptures
from scipy.cluster.hierarchy import fcluster, ward

from label_studio_ml import regions
from label_studio_ml.errors import BackendError, TrainingDataError
from label_studio_ml.inputs import time_series
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.params import Param

logger = logging.getLogger(__name__)

#: A label with one of these names is given to the change points, not to the segments between them.
POINT_LABELS = ("change point", "change", "changepoint", "breakpoint", "break")
#: Longer series are averaged over as many rows as make at most this many steps.
LONGEST = 400
#: The penalty before the first training, and those that a training tries.
PENALTY, PENALTIES = 1.0, (0.125, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0)
#: Numbers beyond it are gaps: their squares would be too large.
LARGEST = 1e150
#: How far a found change point may be from the annotated one in a training, as a share of the series.
TOLERANCE = 0.02


class ChangePoints(LabelStudioMLBase):
    """Fills `<TimeSeriesLabels>` with segments between change points."""

    params: ClassVar[Any] = {
        "penalty": Param(
            None,
            "what a change point costs: more for fewer; by default what a training has found",
            type=float,
            gt=0,
        ),
    }

    def setup(self):
        """Find the control, of several the first one for points, and the penalty to use."""
        controls = self.controls.all("TimeSeriesLabels", on="TimeSeries")
        controls = controls or [self.controls.first("TimeSeriesLabels", on="TimeSeries")]  # raises an error
        self.control = max(controls, key=lambda control: any(map(control.label_map.knows, POINT_LABELS)))
        self.penalty = self.params.penalty or (self.train_output or {}).get("penalty", PENALTY)

    def predict(self, tasks, **kwargs):
        """Return the segments of each task, or its change points."""
        predictions = []
        for each in self.inputs(self.control, tasks):
            series = time_series(self.control, each)
            labels = self.control.for_task(each.task)
            steps, width = summarised(series)
            cuts = change_points(steps, self.penalty)
            point = next((name for name in POINT_LABELS if labels.label_map.knows(name)), None)
            if point:
                found = [regions.segment(labels, *[series.times[cut * width]] * 2, point) for cut in cuts]
            else:
                found = self.segments(labels, series, steps, [0, *cuts, len(steps)], width)
            predictions.append(regions.prediction(found))
        return predictions

    def segments(self, control, series, steps, cuts, width):
        """Return the segments between `cuts`. Similar ones have the same label, the lowest the first of the config."""
        names = control.label_names
        if not names or len(steps) < 2:
            return []
        rows = [min(cut * width, len(series.times) - 1) for cut in cuts[:-1]] + [len(series.times) - 1]
        levels = np.array([steps[a:b].mean(axis=0) for a, b in pairwise(cuts)])
        group = np.ones(1, int) if len(levels) == 1 else fcluster(ward(levels), len(names), "maxclust")
        ordered = sorted(set(group), key=lambda number: levels[group == number, 0].mean())
        return [
            regions.segment(control, series.times[a], series.times[b], names[ordered.index(number)])
            for (a, b), number in zip(pairwise(rows), group)
        ]

    def fit(self, annotations, job=None, **kwargs):
        """Find the penalty whose change points agree best with the borders of the annotated segments."""
        scores = dict.fromkeys(PENALTIES, 0.0)
        tasks = 0
        for example in annotations.targets(self.control, empty=False, unfetched="drop", unknown="drop"):
            if job is not None and job.cancelled:
                return None
            try:
                series = time_series(self.control, example)
                rows = {series.row_at(end) for each in example.segments for end in (each.start, each.end)}
            except (BackendError, ValueError) as error:
                logger.warning("Task %s is left out of the training: %s", example.task_id, error)
                continue
            steps, width = summarised(series)
            ends = {row / width for row in rows}
            near = max(1, TOLERANCE * len(steps))
            truth = [end for end in sorted(ends) if near < end < len(steps) - 1 - near]
            for penalty in PENALTIES:
                scores[penalty] += agreement(change_points(steps, penalty), truth, near)
            tasks += 1
        if not tasks:
            raise TrainingDataError("Training needs a task with annotated segments")
        best = max(scores, key=lambda penalty: scores[penalty])
        return {"penalty": best, "f1": scores[best] / tasks, "tasks": tasks}


def summarised(series):
    """Return an array (steps, features) and the number of rows of a step: standardised means and deviations."""
    table = np.array(list(series.channels.values()), float).T
    rows = np.arange(len(table))
    for column in table.T:
        known = np.abs(column) <= LARGEST  # false for NaN
        column[:] = np.interp(rows, rows[known], column[known]) if known.any() else 0
    table = (table - table.mean(axis=0)) / (table.std(axis=0) + 1e-9) if len(table) else table
    width = max(1, -(-len(table) // LONGEST))
    if width == 1:
        return table, width
    parts = table[: len(table) // width * width].reshape(-1, width, table.shape[1])
    return np.hstack([parts.mean(axis=1), parts.std(axis=1)]), width


def change_points(steps, penalty):
    """Return the first step of each segment but the first one."""
    shortest = max(2, len(steps) // 50)
    if len(steps) < 2 * shortest or not np.ptp(steps, axis=0).any():
        return []
    search = ruptures.KernelCPD(kernel="rbf", min_size=shortest).fit(steps)
    return [int(cut) for cut in search.predict(pen=penalty * np.log(len(steps)))[:-1]]


def agreement(cuts, truth, near):
    """Return the F1 of change points, each of which counts for one annotated border that is `near`; 1 without any."""
    left = list(truth)
    for cut in cuts:
        close = [border for border in left if abs(border - cut) <= near]
        if close:
            left.remove(min(close, key=lambda border: abs(border - cut)))
    hits = len(truth) - len(left)
    return 2 * hits / (len(cuts) + len(truth)) if cuts or truth else 1.0
