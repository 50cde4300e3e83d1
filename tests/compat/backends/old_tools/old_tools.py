"""Kinds of answers that need no training: boxes, a transcript, a dialogue's next line, words found again."""

import json
import logging
import os
import re

from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.utils import get_image_local_path, get_image_size, get_local_path, get_single_tag_keys
from label_studio_tools.core.utils.io import get_data_dir

logger = logging.getLogger(__name__)
HERE = os.path.dirname(__file__)


class OldTools(LabelStudioMLBase):
    def __init__(
        self,
        config_file,
        checkpoint_file,
        image_dir=None,
        labels_file=None,
        score_threshold=0.3,
        device="cpu",
        num_responses=2,
        **kwargs,
    ):
        super(OldTools, self).__init__(**kwargs)
        self.image_dir = image_dir or os.path.join(get_data_dir(), "media", "upload")
        with open(os.path.join(HERE, config_file)) as file:
            self.scores = json.load(file)["scores"]
        self.checkpoint_file = checkpoint_file
        self.score_thresh = score_threshold
        self.num_responses = num_responses
        self.kind = next(iter(self.parsed_label_config.values()))["inputs"][0]["type"]
        control = {"Image": "RectangleLabels", "Text": "Labels"}.get(self.kind, "TextArea")
        self.from_name, self.to_name, self.value, self.labels_in_config = get_single_tag_keys(
            self.parsed_label_config, control, self.kind
        )
        if self.kind == "Paragraphs":
            from xml.etree import ElementTree

            paragraphs = ElementTree.fromstring(self.label_config).find(".//Paragraphs")
            self.text_key = paragraphs.get("textKey") or paragraphs.get("textkey") or "text"

    def predict(self, tasks, **kwargs):
        if self.kind == "Text":
            return self.find_again(tasks[0], kwargs.get("context"))
        if self.kind == "Audio":
            return [
                self.text([f"{os.path.getsize(self.get_local_path(t['data'][self.value]))}"]) for t in tasks
            ]
        assert len(tasks) == 1
        if self.kind == "Paragraphs":
            said = [item[self.text_key] for item in tasks[0]["data"][self.value]]
            return [self.text([f"{number}: {said[-1]}" for number in range(self.num_responses)])]
        return self.boxes(tasks[0])

    def text(self, texts):
        region = {
            "from_name": self.from_name,
            "to_name": self.to_name,
            "type": "textarea",
            "value": {"text": texts},
        }
        return {"result": [region], "score": 1.0}

    def boxes(self, task):
        url = task["data"][self.value]
        path = (
            get_image_local_path(url, image_dir=self.image_dir)
            if url.startswith("http")
            else get_local_path(url)
        )
        width, height = get_image_size(path)
        regions = []
        for number, score in enumerate(self.scores):
            if score >= self.score_thresh:
                box = {"x": int(number / width * 100), "y": 0, "width": 10, "height": int(1 / height * 100)}
                regions.append(
                    {
                        "from_name": self.from_name,
                        "to_name": self.to_name,
                        "type": "rectanglelabels",
                        "value": {"rectanglelabels": [self.labels_in_config[0]], **box},
                        "score": score,
                    }
                )
        return [{"result": regions, "score": sum(r["score"] for r in regions) / max(len(regions), 1)}]

    def find_again(self, task, context):
        drawn = context.get("result")[0]
        word, text = drawn["value"]["text"], task["data"][self.value]
        regions = []
        for match in re.finditer(word.lower(), text.lower()):
            if match.start() == int(drawn["value"]["start"]):
                continue
            regions.append(
                {
                    "id": str(match.start()),
                    "from_name": drawn["from_name"],
                    "to_name": drawn["to_name"],
                    "type": drawn["type"],
                    "value": {
                        "text": text[match.start() : match.end()],
                        "start": match.start(),
                        "end": match.end(),
                        drawn["type"]: drawn["value"][drawn["type"]],
                    },
                    "score": 1.0,
                }
            )
        return [{"result": regions, "score": 1.0}] if regions else []
