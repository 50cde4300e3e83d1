"""A right model in the style of 1.0.9: it asserts in its constructor which label configs it takes."""

import json
import os

from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.utils import get_choice


class AssertingModel(LabelStudioMLBase):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        assert len(self.parsed_label_config) == 1
        ((self.from_name, self.info),) = self.parsed_label_config.items()
        assert self.info["type"] == "Choices"
        self.labels = self.info["labels"]
        self.words = {}
        if self.train_output:
            with open(self.train_output["words_file"]) as file:
                self.words = json.load(file)

    def predict(self, tasks, **kwargs):
        predictions = []
        for task in tasks:
            text = str(task["data"].get(self.info["inputs"][0]["value"]))
            label = next((self.words[word] for word in text.split() if word in self.words), self.labels[0])
            region = {
                "from_name": self.from_name,
                "to_name": self.info["to_name"][0],
                "type": "choices",
                "value": {"choices": [label]},
            }
            predictions.append({"result": [region], "score": 0.5})
        return predictions

    def fit(self, completions, workdir=None, **kwargs):
        examples = [
            (each["data"]["text"], get_choice(each))
            for each in completions
            if each["annotations"][0]["result"]
        ]
        if len({label for _, label in examples}) < 2:
            raise ValueError("Nothing to learn: label tasks differently")
        words = {word: label for text, label in examples for word in text.split()}
        file_name = os.path.join(workdir, "words.json")
        with open(file_name, "w") as file:
            json.dump(words, file)
        return {"words_file": file_name}
