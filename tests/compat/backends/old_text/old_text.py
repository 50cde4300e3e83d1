"""A text is what the most of its words were labelled as. All of it comes from what the last `fit` returned.

A second file, in the present folder, only counts the trainings.
"""

import json
import logging
import os

import requests
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.utils import DATA_UNDEFINED_NAME, get_choice, get_env, is_skipped
from label_studio_tools.core.label_config import parse_config

logger = logging.getLogger(__name__)

API_KEY = get_env("API_KEY")
COUNT_FILE = "trainings"
device = "cpu"


class OldText(LabelStudioMLBase):
    def __init__(self, pretrained_model="words", batch_size=32, num_epochs=100, train_logs=None, **kwargs):
        super(OldText, self).__init__(**kwargs)
        self.pretrained_model, self.batch_size, self.train_logs = pretrained_model, batch_size, train_logs
        ((self.from_name, self.info),) = self.parsed_label_config.items()
        (self.to_name,), (source,) = self.info["to_name"], self.info["inputs"]
        assert (self.info["type"], source["type"]) == ("Choices", "Text")
        self.value, self.labels = source["value"], self.info["labels"]
        if self.train_output:
            self.load(self.train_output)

    def load(self, train_output):
        with open(os.path.join(train_output["model_path"], "words.json")) as file:
            self.words = json.load(file)
        self.labels = train_output["labels"]
        self.batch_size = train_output["batch_size"]

    @property
    def not_trained(self):
        return not hasattr(self, "words")

    def predict(self, tasks, **kwargs):
        if self.not_trained:
            print("Not trained yet")
            return {} if tasks[0]["data"].get("answer") == "dict" else []
        trainings = 0
        if os.path.exists(COUNT_FILE):
            with open(COUNT_FILE) as file:
                trainings = len(file.read())
        predictions = []
        for task in tasks:
            text = task["data"].get(self.value) or task["data"].get(DATA_UNDEFINED_NAME)
            known = [self.words[word] for word in text.split() if word in self.words]
            label = max(self.labels, key=known.count)
            region = {
                "from_name": self.from_name,
                "to_name": self.to_name,
                "type": "choices",
                "value": {"choices": [label]},
            }
            score = known.count(label) / max(len(known), 1)
            predictions.append(
                {
                    "result": [region],
                    "score": score,
                    "cluster": None,
                    "task": task["id"],
                    "trainings": trainings,
                }
            )
        return predictions

    def _export(self, project_id):
        url = f"{self.hostname.rstrip('/')}/api/projects/{project_id}/export"
        return requests.get(url, headers={"Authorization": f"Token {self.access_token}"}, timeout=60).json()

    def fit(self, completions, workdir=None, cache_dir="cache", **kwargs):
        exported = []
        if kwargs.get("data"):
            project = kwargs["data"]["project"]
            exported = self._export(project["id"])
            if not self.parsed_label_config:
                self.parsed_label_config = parse_config(project["label_config"])
        words, texts = {}, 0
        for completion in completions:
            if is_skipped(completion) or completion["annotations"][0].get("was_cancelled"):
                continue
            texts += 1
            for word in completion["data"][self.value].split():
                words[word] = get_choice(completion)
        with open(os.path.join(workdir, "words.json"), "w") as file:
            json.dump(words, file)
        with open(COUNT_FILE, "a") as file:
            file.write("x")
        return {
            "model_path": workdir,
            "batch_size": self.batch_size,
            "labels": sorted(set(words.values())),
            "texts": texts,
            "exported": len(exported),
        }
