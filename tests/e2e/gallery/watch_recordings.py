"""Real recordings of a smartwatch during shoulder exercises, from the package seglearn (BSD), as time series.

There are 7 exercises of 10 persons and both arms: acceleration and turning rate on 3 axes each, at 50 Hz.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy

from .real_data import wheel_folder

EXERCISES = ("PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW")
CHANNELS = ("ax", "ay", "az", "wx", "wy", "wz")
#: The object tag that shows a recording.
SERIES = f"""<TimeSeries name="series" valueType="json" value="$series" timeColumn="time" overviewWidth="100%">
{"".join(f'<Channel column="{name}" height="60"/>' for name in CHANNELS)}</TimeSeries>"""
#: Rows in a second: each is the mean of 5 rows of the recording.
RATE = 10
#: Seconds of each exercise, and those of the set that are left out before it.
SECONDS, LEFT_OUT = 15, 2


@dataclass(frozen=True)
class Recording:
    """Several sets of one person and arm, one after the other: `exercises` has the name of each, `SECONDS` long."""

    person: int
    rows: numpy.ndarray[Any, Any]
    exercises: tuple[str, ...]

    @property
    def data(self) -> dict[str, list[float]]:
        """The columns of a `<TimeSeries>`: the time in seconds, and the channels."""
        channels = {name: self.rows[:, at].round(4).tolist() for at, name in enumerate(CHANNELS)}
        return {"time": [row / RATE for row in range(len(self.rows))], **channels}

    @property
    def segments(self) -> list[tuple[float, float, str]]:
        """Start and end in seconds, and the exercise of each set."""
        last = (len(self.rows) - 1) / RATE
        return [(at * SECONDS, min((at + 1) * SECONDS, last), name) for at, name in enumerate(self.exercises)]

    def result(
        self, label: str = "", control: str = "segment", shown: str = "series"
    ) -> list[dict[str, Any]]:
        """Return the annotation of the segments with their exercises, or with `label` for all."""
        return [
            {
                "id": f"s{at}",
                "from_name": control,
                "to_name": shown,
                "type": "timeserieslabels",
                "value": {"start": start, "end": end, "instant": False, "timeserieslabels": [label or name]},
            }
            for at, (start, end, name) in enumerate(self.segments)
        ]


@cache
def recordings() -> list[Recording]:
    """Return 40 recordings of 3 or 4 exercises each, person after person."""
    file = wheel_folder("seglearn==1.2.5") / "seglearn" / "data" / "watch_dataset.npy"
    sets = numpy.load(file, allow_pickle=True).item()
    made = []
    for person in sorted(set(sets["subject"])):
        for side in (0, 1):
            (found,) = numpy.nonzero((sets["subject"] == person) & (sets["side"] == side))
            for part in (found[:4], found[4:]):
                rows = numpy.vstack([_excerpt(sets["X"][at]) for at in part])
                made.append(Recording(int(person), rows, tuple(EXERCISES[sets["y"][at]] for at in part)))
    return made


def _excerpt(rows: numpy.ndarray[Any, Any]) -> numpy.ndarray[Any, Any]:
    """Return `SECONDS` of a set at `RATE`."""
    part = rows[LEFT_OUT * 50 : (LEFT_OUT + SECONDS) * 50]
    return numpy.asarray(part.reshape(-1, 50 // RATE, part.shape[1]).mean(axis=1))
