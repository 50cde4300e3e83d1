"""Boxes of faces, eyes, bodies, cats' faces and number plates, from OpenCV's cascades. It learns nothing."""

from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy

from label_studio_ml import regions
from label_studio_ml.inputs.large_pictures import read_picture
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.params import Param

#: What a label of the project may be called (or name in `predicted_values`), and the cascade that finds it.
CASCADES = {
    "face": "haarcascade_frontalface_alt2.xml",
    "profile face": "haarcascade_profileface.xml",
    "eye": "haarcascade_eye.xml",
    "smile": "haarcascade_smile.xml",
    "upper body": "haarcascade_upperbody.xml",
    "lower body": "haarcascade_lowerbody.xml",
    "full body": "haarcascade_fullbody.xml",
    "cat face": "haarcascade_frontalcatface_extended.xml",
    "number plate": "haarcascade_russian_plate_number.xml",
    "license plate": "haarcascade_russian_plate_number.xml",
}
#: Parts of a face, searched in the faces only: the upper and lower end of where they are, as shares of its height.
PARTS = {"eye": (0.15, 0.65), "smile": (0.5, 1.0)}
#: Larger pictures are searched at a size in which the smallest box has this many pixels a side.
SMALLEST_WINDOW = 30
#: Width of the margin around the picture, as a share of its shorter side, so that faces at the edge are found.
MARGIN = 0.15


class FaceBoxes(LabelStudioMLBase):
    """Fills `<RectangleLabels>` on pictures."""

    max_batch_size = 8

    params: ClassVar[Any] = {
        "neighbours": Param(5, "windows that have to agree on a box: more of them, fewer false boxes", ge=1),
        "smallest": Param(
            0.08, "side of the smallest box, as a share of the picture's shorter side", gt=0, le=1
        ),
        "step": Param(1.1, "factor between two sizes of the window", gt=1, le=2),
    }

    def setup(self):
        """Find the control that has one of the labels, and load the cascades of those labels."""
        fitting = [control for control in self.controls.all("RectangleLabels", on="Image") if known(control)]
        if not fitting:
            raise ValueError(f"No <RectangleLabels> on <Image> has one of the labels {', '.join(CASCADES)}")
        self.box = fitting[0]
        self.cascades = {name: load(CASCADES[name]) for name in known(self.box)}
        self.faces = load(CASCADES["face"])

    def predict(self, tasks, **kwargs):
        """Return a prediction with the boxes of each task."""
        return [
            regions.prediction(*(self.boxes(each) for each in self.inputs(self.box, [task])))
            for task in tasks
        ]

    def boxes(self, each):
        """Return the regions of one picture. Raises ValueError if OpenCV cannot read it, or it is too large."""
        try:
            grey, size = read_picture(each.path, grey=True)
        except ValueError as error:
            raise ValueError(f"Task {each.task.get('id')}: {error}") from None
        across, down = (whole / read for whole, read in zip(size, grey.shape[1::-1]))
        side = min(grey.shape)
        margin = round(MARGIN * side)
        grey = cv2.copyMakeBorder(grey, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
        factor = min(1.0, SMALLEST_WINDOW / (self.params.smallest * side))
        smaller = cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        smallest = round(self.params.smallest * side * factor)
        faces = None
        found = {}
        for name, cascade in self.cascades.items():
            if name in PARTS:
                if faces is None:
                    faces = enlarged(self.search(self.faces, smaller, smallest), factor)
                boxes = [box for face in faces for box in self.parts(name, grey, face)]
            else:
                boxes = enlarged(self.search(cascade, smaller, smallest), factor)
            found.setdefault(self.box.label_map.name(name), []).extend(boxes)
        made = []
        for label, boxes in found.items():
            boxes = without_overlaps(boxes)
            xywh = [
                [(x - margin) * across, (y - margin) * down, width * across, height * down]
                for x, y, width, height, _ in boxes
            ]
            made += regions.boxes(
                self.box,
                xywh=xywh,
                labels=[label] * len(boxes),
                scores=[score for *_, score in boxes],
                size=size,
                item_index=each.item,
            )
        return made

    def search(self, cascade, grey, smallest):
        """Return left, top, width, height and score of what a cascade finds in a grey picture."""
        boxes, windows = cascade.detectMultiScale2(
            grey, self.params.step, self.params.neighbours, minSize=(smallest, smallest)
        )
        scores = numpy.asarray(windows, float) / (numpy.asarray(windows, float) + self.params.neighbours)
        return [(*map(int, box), float(score)) for box, score in zip(boxes, scores)]

    def parts(self, name, grey, face):
        """Return the eyes or smiles in a face: the two best eyes, the best smile."""
        left, top, width, height, _ = face
        upper, lower = (round(top + share * height) for share in PARTS[name])
        boxes = self.search(self.cascades[name], grey[upper:lower, left : left + width], width // 8)
        best = sorted(boxes, key=lambda box: -box[-1])[: 2 if name == "eye" else 1]
        return [(left + x, upper + y, w, h, score) for x, y, w, h, score in best]


def known(control):
    """Return the names in `CASCADES` that a control has a label for."""
    return [name for name in CASCADES if control.label_map.knows(name)]


def load(file):
    """Return a cascade of OpenCV. Raises FileNotFoundError if its package lacks the file."""
    path = Path(cv2.data.haarcascades) / file
    if not path.is_file():
        raise FileNotFoundError(path)
    return cv2.CascadeClassifier(str(path))


def enlarged(boxes, factor):
    """Return boxes of a picture that was made smaller by `factor` in pixels of the picture itself."""
    return [(*(round(number / factor) for number in box[:4]), box[4]) for box in boxes]


def without_overlaps(boxes):
    """Return the boxes without those that overlap a better one by half: two cascades may find the same face."""
    kept = cv2.dnn.NMSBoxes([box[:4] for box in boxes], [box[4] for box in boxes], 0.0, 0.5)
    return [boxes[index] for index in numpy.asarray(kept, int).flatten()]
