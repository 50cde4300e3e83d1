"""A text is what its first known word was labelled as.

The weights are a file in MODEL_DIR; a module global and a class attribute keep what was read of it.
"""

import json
import logging
import os
import pathlib
import xml.etree.ElementTree as ElementTree
from typing import Dict, List, Optional

import label_studio_sdk
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.response import ModelResponse
from label_studio_ml.utils import DATA_UNDEFINED_NAME
from label_studio_sdk.label_interface.objects import PredictionValue

logger = logging.getLogger(__name__)

_labels_of_words: Optional[Dict[str, str]] = None


class WordVotes(LabelStudioMLBase):
    STUDIO = os.getenv("LABEL_STUDIO_HOST", "http://localhost:8080")
    API_KEY = os.getenv("LABEL_STUDIO_API_KEY")
    EACH_N_UPDATES = int(os.getenv("START_TRAINING_EACH_N_UPDATES", 10))
    MODEL_DIR = os.getenv("MODEL_DIR", "./results")

    _lesson = None

    def setup(self):
        self.set("model_version", f"{self.__class__.__name__}-v0.0.1")

    def read_weights(self, name):
        path = pathlib.Path(self.MODEL_DIR) / name
        return json.loads(path.read_text()) if path.exists() else {}

    def lazy_init(self):
        global _labels_of_words
        if _labels_of_words is None:
            _labels_of_words = self.read_weights("words.json")
        if not self._lesson:
            self._lesson = self.read_weights("lesson.json") or {"texts": 0}

    def predict(self, tasks: List[Dict], context: Optional[Dict] = None, **kwargs) -> ModelResponse:
        self.lazy_init()
        from_name, to_name, value = self.label_interface.get_first_tag_occurence("Choices", "Text")
        tag = self.label_interface.get_tag(from_name)
        first = ElementTree.fromstring(self.label_config).find(".//Choice").attrib["value"]
        predictions = []
        for task in tasks:
            text = self.preload_task_data(task, task["data"].get(value) or task["data"][DATA_UNDEFINED_NAME])
            known = [_labels_of_words[word] for word in text.split() if word in _labels_of_words]
            region = tag.label([known[0] if known else first])
            predictions.append(
                PredictionValue(
                    result=[region],
                    score=self._lesson["texts"] / 100,
                    model_version=self.get("model_version"),
                )
            )
        return ModelResponse(predictions=predictions, model_version=self.get("model_version"))

    def fit(self, event, data, **additional_params):
        global _labels_of_words
        if event not in ("ANNOTATION_CREATED", "ANNOTATION_UPDATED", "START_TRAINING"):
            logger.info(f"Not trained on: {event}")
            return
        project_id = data["annotation"]["project"]
        client = label_studio_sdk.Client(self.STUDIO, self.API_KEY)
        tasks = client.get_project(id=project_id).get_labeled_tasks()
        if len(tasks) % self.EACH_N_UPDATES != 0 and event != "START_TRAINING":
            logger.info(f"{len(tasks)} tasks: not a multiple of {self.EACH_N_UPDATES}")
            return
        _, _, value = self.label_interface.get_first_tag_occurence("Choices", "Text")
        words = {}
        for task in tasks:
            for annotation in task["annotations"]:
                for result in annotation["result"]:
                    for word in self.preload_task_data(task, task["data"][value]).split():
                        words[word] = result["value"]["choices"][0]
        os.makedirs(self.MODEL_DIR, exist_ok=True)
        (pathlib.Path(self.MODEL_DIR) / "words.json").write_text(json.dumps(words))
        (pathlib.Path(self.MODEL_DIR) / "lesson.json").write_text(json.dumps({"texts": len(tasks)}))
        _labels_of_words = None
        self._lesson = None
        self.lazy_init()
