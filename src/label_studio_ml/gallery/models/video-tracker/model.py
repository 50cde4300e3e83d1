"""Tracks in videos: each box that a person drew and submitted is followed over the next frames."""

import logging
import math
from typing import Any, ClassVar

from following import follow

from label_studio_ml import regions
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.params import Param
from label_studio_ml.training.dataset import LabelledTasks

logger = logging.getLogger(__name__)

#: Frames per second that Label Studio takes for a `<Video>` without `frameRate`.
RATE = 24.0
#: Part of the key under which tracks are kept: change it with the code of `following.py`.
KIND = "tracks 1"


class VideoTracker(LabelStudioMLBase):
    """Fills `<VideoRectangle>` of videos whose newest annotation has a box in at least one frame."""

    max_batch_size = 1
    keep_versions = 2

    params: ClassVar[Any] = {
        "time_limit": Param(
            60.0,
            "seconds that a task may take; its tracks end where they are then",
            gt=0,
            le=150,  # a call of 190 seconds is ended, and the file has to be fetched in it
            operator_only=True,
        ),
        "side": Param(640, "longer side, in pixels, to which larger frames are reduced", ge=100),
        "similar": Param(0.2, "an object that is less similar to its box is lost (correlation)", ge=-1, le=1),
        "tolerance": Param(0.3, "interpolated boxes may be off by this percentage of the width", ge=0),
    }

    def setup(self):
        """Find the control, the labels and the frames per second that the page counts with."""
        self.box = self.controls.first("VideoRectangle", on="Video")
        labels = [
            each for each in self.controls.all("Labels", on="Video") if each.to_name == self.box.to_name
        ]
        self.labels = labels[0] if labels else None
        try:
            rate = float(self.box.object.attribute("frameRate") or RATE)
        except ValueError:  # a reference to the task's data
            rate = RATE
        self.rate = rate if 0 < rate < math.inf else RATE

    def predict(self, tasks, **kwargs):
        """Return the tracks of each task; no prediction, so that it is asked for again, of one without a drawn box."""
        return [self.prediction(task) for task in tasks if self.drawn(task)]

    def prediction(self, task):
        """Return the prediction of one task. Raises ValueError if OpenCV cannot read the video."""
        found = self.once(
            task,
            self.key(task),
            lambda path: self.follow(path, task),
            field=self.box.object.field,
            shared=True,
        )
        size, count = found["size"], found["count"]
        if found["stopped"] is not None:
            logger.warning(
                "Task %s: stopped at frame %s of %s by time_limit", task.get("id"), found["stopped"], count
            )
        made = []
        for track, drawn in zip(found["tracks"], self.drawn(task, size)):
            made.append(
                regions.track(
                    self.box,
                    frames=track["frames"],
                    xyxy=track["boxes"],
                    size=size,
                    fps=self.rate,
                    frame_count=count,
                    label=list(drawn.labels) if drawn.labels and self.labels else None,
                    labels_control=self.labels,
                    score=track["score"],
                    tolerance=self.params.tolerance / 100 * size[0],
                )
            )
        return regions.prediction(*made)

    def follow(self, path, task):
        """Return size, number of frames and tracks of the video in a file, for the boxes that were drawn in it."""

        def keys(size):
            return [
                [(key.frame, key.box.xyxy, key.shown) for key in track.key_frames]
                for track in self.drawn(task, size)
            ]

        return follow(
            path,
            self.rate,
            keys,
            side=self.params.side,
            similar=self.params.similar,
            seconds=self.params.time_limit,
        )

    def drawn(self, task, size=(100, 100)):
        """Return the tracks in the task's newest annotation, in pixels of a video of `size`; percent by default."""
        examples = LabelledTasks.from_tasks([task]).targets(
            self.box, size=size, files=False, unknown="drop", labels_control=self.labels
        )
        return [track for example in examples for track in example.tracks if track.key_frames]

    def key(self, task):
        """Return a text that differs if other boxes were drawn, or if the settings are others."""
        boxes = [
            [(key.frame, key.box.xyxy, key.shown) for key in track.key_frames] for track in self.drawn(task)
        ]
        return f"{KIND} {self.rate} {dict(self.params)} {boxes}"

    def fit(self, annotations, **kwargs):
        """Learn nothing. The new version makes Label Studio ask again for tasks whose boxes have changed."""
        return {"annotated": len(annotations)}
