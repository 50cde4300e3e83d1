"""A detector that finds one car in every image."""

from types import SimpleNamespace

import numpy as np


class _Result(list):
    """Boxes of each class, as older releases gave them; `pred_instances` as newer ones do."""

    def __init__(self, instances, boxes):
        super().__init__(boxes)
        self.pred_instances = instances


def init_detector(config, checkpoint, device="cpu", **kwargs):
    classes = ("person", "car", "airplane")
    return SimpleNamespace(dataset_meta={"classes": classes}, CLASSES=classes)


def inference_detector(model, image):
    with open(image, "rb") as file:
        file.read(1)
    box, score = [10.0, 20.0, 110.0, 120.0], 0.75
    instance = {"bboxes": np.array([box]), "labels": np.array([1]), "scores": np.array([score])}
    none = np.zeros((0, 5))
    return _Result([instance], [none, np.array([[*box, score]]), none])
