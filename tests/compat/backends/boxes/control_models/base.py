"""What the kinds of controls have in common; models are read once for the module."""

import os
from typing import ClassVar, Dict, List, Optional

from label_studio_ml.model import LabelStudioMLBase
from label_studio_sdk.label_interface.control_tags import ControlTag
from pydantic import BaseModel

MODEL_ROOT = os.getenv("MODEL_ROOT", os.path.join(os.path.dirname(os.path.dirname(__file__)), "models"))
os.makedirs(MODEL_ROOT, exist_ok=True)
_models = {}


class Net:
    def __init__(self, path):
        self.path = path
        self.names = {0: "cat", 1: "airplane"}


class ControlModel(BaseModel):
    type: ClassVar[str]
    control: ControlTag
    from_name: str
    to_name: str
    value: str
    net: Net
    score_threshold: float = 0.5
    label_map: Optional[Dict[str, str]] = {}
    backend: LabelStudioMLBase

    @classmethod
    def create(cls, backend: LabelStudioMLBase, control: ControlTag):
        path = control.attr.get("model_path") or "small.bin"
        net = _models.setdefault(path, Net(os.path.join(MODEL_ROOT, path)))
        return cls(
            control=control,
            from_name=control.name,
            to_name=control.to_name[0],
            value=control.objects[0].value_name,
            net=net,
            score_threshold=float(control.attr.get("score_threshold") or 0.5),
            label_map=backend.build_label_map(control.name, net.names.values()),
            backend=backend,
        )

    def regions(self, path: str) -> List[Dict]:
        raise NotImplementedError

    class Config:
        arbitrary_types_allowed = True
