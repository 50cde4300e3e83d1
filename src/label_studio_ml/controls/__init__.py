"""A project's label config as objects: `self.controls` of a model.

box = self.controls.first("RectangleLabels", on="Image")
box.field, box.label_names, box.value(task)
"""

from label_studio_ml.controls.collection import Controls, controls_of
from label_studio_ml.controls.conditions import Condition
from label_studio_ml.controls.control import Control
from label_studio_ml.controls.labels import Label, LabelMap
from label_studio_ml.controls.object_tag import ObjectTag

__all__ = ["Condition", "Control", "Controls", "Label", "LabelMap", "ObjectTag", "controls_of"]
