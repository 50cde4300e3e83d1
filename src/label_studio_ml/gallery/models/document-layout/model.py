"""Boxes around the titles, paragraphs, figures and tables of a page, by a PP-Structure network of RapidLayout."""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # else importing onnxruntime reports its use to Microsoft

import numpy as np
from rapid_layout import RapidLayout
from rapid_layout.utils.typings import ModelType

from label_studio_ml import regions
from label_studio_ml.inputs.large_pictures import read_on_white
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.params import Param

#: Names that projects give to the network's labels, besides its own; `predicted_values` of a label go before.
SYNONYMS = {
    "text": ("paragraph", "body"),
    "title": ("heading", "section-header"),
    "figure": ("picture", "image"),
    "figure_caption": ("caption", "figure caption"),
    "table_caption": ("caption", "table caption"),
    "header": ("page-header", "page header"),
    "footer": ("page-footer", "page footer"),
    "reference": ("references", "bibliography"),
    "equation": ("formula",),
}


class DocumentLayoutModel(LabelStudioMLBase):
    """Fills `<RectangleLabels>` on the picture of a page."""

    max_batch_size = 4

    params = {
        "min_score": Param(0.4, "leave out boxes with a lower score", ge=0, le=1),
        "overlap": Param(0.5, "drop a box that shares more of the smaller area with a surer one", ge=0, le=1),
        "network": Param(
            "pp_layout_cdla",
            "kind of RapidLayout's network",
            choices=tuple(kind.value for kind in ModelType),
            operator_only=True,
        ),
        "network_file": Param(
            None, "its ONNX file; by default the one of the package", type=str, operator_only=True
        ),
    }

    def setup(self):
        """Find the control, of several the first one with a label of the network, and load the network."""
        controls = self.controls.all("RectangleLabels", on="Image")
        controls = controls or [self.controls.first("RectangleLabels", on="Image")]  # raises an error
        control = max(controls, key=lambda control: bool(known(control)))
        self.box = control.map_labels(synonyms(control), unknown="drop")
        self.network = RapidLayout(
            model_type=self.params.network,
            model_dir_or_path=self.params.network_file,
            conf_thresh=self.params.min_score,
        )

    def predict(self, tasks, **kwargs):
        """Return the boxes of each task's pages."""
        return [
            regions.prediction([self.blocks(page) for page in self.inputs(self.box, [task])])
            for task in tasks
        ]

    def blocks(self, page):
        """Return the boxes of one page that the project has a label for, from top to bottom."""
        found = self.network(open_picture(page))
        chosen = without_overlaps(found.boxes or [], found.scores or [], self.params.overlap)
        chosen.sort(key=lambda at: (found.boxes[at][1], found.boxes[at][0]))
        return regions.boxes(
            self.box,
            xyxy=[found.boxes[at] for at in chosen],
            labels=[found.class_names[at] for at in chosen],
            scores=[found.scores[at] for at in chosen],
            size=page.size,
            item_index=page.item if self.box.object.is_list else None,
        )


def known(control):
    """Return the labels of the network that a control has, under its own name or another one."""
    own = [label for label in (*SYNONYMS, "table") if control.label_map.knows(label)]
    return own or list(synonyms(control))


def synonyms(control):
    """Return the control's label for each label of the network that it has under another name."""
    own = {name.lower(): name for name in reversed(control.label_names)}
    return {
        label: own[name]
        for label, names in SYNONYMS.items()
        if not control.label_map.knows(label)
        for name in names[::-1]
        if name in own
    }


def open_picture(each):
    """Return a picture as Label Studio shows it: an array of blue, green and red, on white where it is transparent.

    `each` is what `self.inputs` has of it. Raises ValueError if Pillow cannot read the file, or it is too large.
    """
    try:
        return np.ascontiguousarray(read_on_white(each.path)[:, :, ::-1])
    except ValueError as error:
        raise ValueError(f"Task {each.task.get('id')}: {error}") from error


def without_overlaps(boxes, scores, most):
    """Return the indices of the boxes that share at most this part of the smaller area with each surer one."""
    chosen = []
    for at in np.argsort(scores)[::-1]:
        if all(shared(boxes[at], boxes[other]) <= most for other in chosen):
            chosen.append(int(at))
    return chosen


def shared(first, second):
    """Return the area that two boxes share, as a part of the smaller one's."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return max(width, 0) * max(height, 0) / max(smaller, 1e-9)
