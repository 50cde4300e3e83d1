"""A right model in the style of 1.0.9: it reads the label config in its constructor and learns from all annotations."""

import json
import os

from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.utils import DATA_UNDEFINED_NAME, get_choice, get_single_tag_keys, is_skipped


class OldModel(LabelStudioMLBase):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.from_name, self.to_name, self.value, self.labels = get_single_tag_keys(
            self.parsed_label_config, "Choices", "Text"
        )
        self.counts = {}
        if self.train_output:
            with open(os.path.join(self.train_output["model_path"], "counts.json")) as file:
                self.counts = json.load(file)

    def predict(self, tasks, **kwargs):
        predictions = []
        label = max(self.labels, key=lambda each: self.counts.get(each, 0))
        for task in tasks:
            text = task["data"].get(self.value) or task["data"].get(DATA_UNDEFINED_NAME)
            region = {
                "from_name": self.from_name,
                "to_name": self.to_name,
                "type": "choices",
                "value": {"choices": [label]},
            }
            predictions.append({"result": [region], "score": 0.9 if text else 0.1})
        return predictions

    def fit(self, completions, workdir=None, **kwargs):
        counts = {}
        for completion in completions:
            if is_skipped(completion):
                continue
            label = get_choice(completion)
            counts[label] = counts.get(label, 0) + 1
        with open(os.path.join(workdir, "counts.json"), "w") as file:
            json.dump(counts, file)
        return {"model_path": workdir, "labels": list(counts)}
