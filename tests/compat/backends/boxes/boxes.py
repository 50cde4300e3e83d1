"""Boxes by the controls of the label config, which the constructor reads; nothing for a picture that is not wide."""

import logging
import os
from typing import Dict, List, Optional
from xml.etree import ElementTree

from control_models.rectangles import RectanglesModel
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.response import ModelResponse
from label_studio_ml.utils import DATA_UNDEFINED_NAME, get_image_size, get_single_tag_keys
from label_studio_sdk._extensions.label_studio_tools.core.utils.io import get_data_dir, get_local_path
from label_studio_sdk._extensions.label_studio_tools.core.utils.params import get_bool_env

logger = logging.getLogger(__name__)
if not os.getenv("LOG_LEVEL"):
    logger.setLevel(logging.INFO)

CACHED = get_bool_env("BOXES_CACHED", default=True)


class Boxes(LabelStudioMLBase):
    MODEL_DIR = os.getenv("MODEL_DIR", ".")

    def __init__(self, image_dir=None, labels_file=None, project_id=None, label_config=None, **kwargs):
        super().__init__(project_id=project_id, label_config=label_config, **kwargs)
        self.image_dir = image_dir or os.path.join(get_data_dir(), "media", "upload")
        self.labels_file = labels_file
        self.labels_in_xml = [
            tag.attrib["value"] for tag in ElementTree.fromstring(self.label_config).iter("Label")
        ]
        keys = get_single_tag_keys(self.parsed_label_config, "RectangleLabels", "Image")
        self.from_name, self.to_name, self.value, self.labels_in_config = keys
        schema = next(iter(self.parsed_label_config.values()))
        self.label_map = {}
        for label, attributes in schema.get("labels_attrs").items():
            for predicted in attributes.get("predicted_values", "").split(","):
                if predicted.strip():
                    self.label_map[predicted.strip()] = label
        params: Dict = getattr(self, "extra_params", {}) or {}
        self.project_prompt = params.get("prompt")
        self.set("model_version", "Boxes-v0.0.1")

    def control_models(self):
        found = []
        for control in self.label_interface.controls:
            if not control.to_name:
                logger.warning(f"{control.tag} {control.name} has no toName")
                continue
            if control.tag == RectanglesModel.type:
                found.append(RectanglesModel.create(self, control))
        if not found:
            raise ValueError("No suitable control tags")
        return found

    def predict(self, tasks: List[Dict], context: Optional[Dict] = None, **kwargs) -> ModelResponse:
        controls = self.control_models()
        if tasks[0]["data"].get("first_only"):
            tasks = [tasks[0]]
        predictions = []
        for task in tasks:
            url = task["data"].get(self.value) or task["data"].get(DATA_UNDEFINED_NAME)
            cache = os.path.join(self.MODEL_DIR, ".file-cache")
            os.makedirs(cache, exist_ok=True)
            path = self.get_local_path(
                url, cache_dir=cache, ls_host=os.getenv("LABEL_STUDIO_HOST"), task_id=task.get("id")
            )
            token = self.get_label_studio_access_token()
            again = get_local_path(
                url,
                cache_dir=cache,
                hostname=os.getenv("LABEL_STUDIO_HOST"),
                access_token=token,
                task_id=task["id"],
            )
            assert get_image_size(again) == get_image_size(path)
            width, height = get_image_size(path)
            if width <= height:
                continue
            regions = [region for control in controls for region in control.regions(path)]
            built = {
                "labels_file": self.labels_file,
                "image_dir": self.image_dir,
                "labels": self.labels_in_xml,
                "map": self.label_map,
                "prompt": self.project_prompt,
            }
            predictions.append(
                {
                    "result": [{**region, "built": built} for region in regions],
                    "score": sum(region["score"] for region in regions) / max(len(regions), 1),
                    "model_version": self.model_version,
                }
            )
        return ModelResponse(predictions=predictions, model_versions=self.get("model_version"))

    def fit(self, event, data, **kwargs):
        raise NotImplementedError("Training is not implemented yet")
