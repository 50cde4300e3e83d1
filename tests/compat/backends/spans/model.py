"""Marks the words of a vocabulary that is read while the module is imported; transcribes sounds by their size."""

import json
import logging
import os
from types import SimpleNamespace
from typing import Dict, List, Optional, Union

import label_studio_sdk
from label_studio_ml.model import LabelStudioMLBase, ModelResponse
from label_studio_ml.utils import DATA_UNDEFINED_NAME
from label_studio_sdk.objects import PredictionValue
from label_studio_tools.core.utils.io import get_local_path

logger = logging.getLogger(__name__)

NAME = os.getenv("SPANS_MODEL", "words_small")
PATH = os.path.join(os.path.dirname(__file__), "vocabulary.json")
with open(PATH) as _file:
    MODEL = SimpleNamespace(vocabulary=json.load(_file))


class Draft(LabelStudioMLBase):
    """A class of another try, which `_wsgi.py` does not serve."""

    def predict(self, tasks, **kwargs):
        raise RuntimeError("not this one")


class Spans(LabelStudioMLBase):
    _labels_mapping = {"CITY": "Place"}
    _name = None

    def setup(self):
        self.STUDIO = os.getenv("LABEL_STUDIO_URL", "http://localhost:8080")
        self.API_KEY = os.getenv("LABEL_STUDIO_API_KEY")
        self.set("model_version", "0.0.1")
        self.threshold = float(os.getenv("THRESHOLD", 0.5))
        self.model = MODEL
        if self._name is None:
            self._name = NAME

    def predict(
        self, tasks: List[Dict], context: Optional[Dict] = None, **kwargs
    ) -> Union[List[Dict], ModelResponse]:
        print(
            f"project {self.project_id}: {self.label_config} {self.parsed_label_config} {self.extra_params}"
        )
        if any(control.tag == "TextArea" for control in self.label_interface.controls):
            return self.transcribe(tasks)
        if not self.label_interface.controls:
            return self.for_an_interface(tasks)
        from_name, to_name, value = self.label_interface.get_first_tag_occurence("Labels", "Text")
        labels = sorted(self.label_interface.get_tag(from_name).labels)
        predictions = []
        for task in tasks:
            text, regions = task["data"][value], []
            for word, (label, score) in self.model.vocabulary.items():
                start = text.find(word)
                label = self._labels_mapping.get(label, label)
                if start >= 0 and label in labels and score >= self.threshold:
                    span = {"start": start, "end": start + len(word), "text": word, "labels": [label]}
                    regions.append(
                        {
                            "from_name": from_name,
                            "to_name": to_name,
                            "type": "labels",
                            "value": span,
                            "score": score,
                        }
                    )
            score = min([region["score"] for region in regions]) if regions else 2.0
            predictions.append(PredictionValue(result=regions, score=score, model_version=self._name))
        return ModelResponse(predictions=predictions, model_version=self._name)

    def transcribe(self, tasks):
        from_name, to_name, value = self.label_interface.get_first_tag_occurence("TextArea", "Audio")
        predictions = []
        for task in tasks:
            url = task["data"].get(value) or task["data"].get(DATA_UNDEFINED_NAME)
            text = f"{os.path.getsize(get_local_path(url, task_id=task.get('id')))} bytes"
            predictions.append(
                {
                    "result": [
                        {
                            "from_name": from_name,
                            "to_name": to_name,
                            "type": "textarea",
                            "value": {"text": [text]},
                        }
                    ],
                    "model_version": self.get("model_version"),
                }
            )
        return ModelResponse(predictions=predictions, model_version=self.get("model_version"))

    def for_an_interface(self, tasks):
        """Answer a project whose page is made by code: its label config names no tags."""
        box = {"x": 0, "y": 0, "width": 50, "height": 50, "rectanglelabels": ["title"]}
        names = {"from_name": "page", "to_name": "page", "type": "rectanglelabels"}
        predictions = [PredictionValue(result=[{**names, "value": box}], score=0.51) for _ in tasks]
        return ModelResponse(predictions=predictions, model_version=str(self.get("model_version") or ""))

    def fit(self, event, data, **kwargs):
        if event != "START_TRAINING":
            logger.info("Trained by the button only")
            return {}
        client = label_studio_sdk.Client(self.STUDIO, self.API_KEY)
        tasks = client.get_project(id=self.project_id).get_labeled_tasks()
        vocabulary = {}
        for task in tasks:
            for result in task["annotations"][0]["result"]:
                value = result["value"]
                vocabulary[task["data"]["text"][value["start"] : value["end"]]] = [value["labels"][0], 0.9]
        with open(PATH, "w") as file:
            json.dump(vocabulary, file)
        self.model = SimpleNamespace(vocabulary=vocabulary)
        self.set("model_version", f"{self.__class__.__name__}-v{len(tasks)}")
