"""Repeats the newest annotation. `fit(event, data)` returns a dict, which `predict` finds in `self.train_output`.

Two files are written: one in the folder of the training, one in the present folder, by a relative path.
"""

import json
import os
from uuid import uuid4

import label_studio_sdk
from label_studio_ml.model import LabelStudioMLBase

STUDIO = os.getenv("LABEL_STUDIO_HOST", "http://localhost:8000")
API_KEY = os.getenv("LABEL_STUDIO_API_KEY", "none")


class Repeater(LabelStudioMLBase):
    def __init__(self, **kwargs):
        super(Repeater, self).__init__(**kwargs)
        self.files = {}
        for name in ("folder_file", "present_file"):
            if self.train_output:
                with open(self.train_output[name]) as file:
                    self.files[name] = file.read()

    def predict(self, tasks, **kwargs):
        if self.train_output:
            predictions = [{"result": self.train_output["example"], "score": 0.75}] * len(tasks)
            predictions[0]["result"][0]["files"] = self.files
        else:
            predictions = []
        print(f"Predictions: {json.dumps(predictions)}")
        return predictions

    def fit(self, event, data, workdir=None, **kwargs):
        project = data["project"]["id"]
        tasks = label_studio_sdk.Client(STUDIO, API_KEY).get_project(id=project).get_labeled_tasks()
        if len(tasks) > 0:
            example = tasks[-1]["annotations"][0]["result"]
            names = {
                "folder_file": os.path.join(workdir, "model.txt"),
                "present_file": f"{str(uuid4())[:8]}.txt",
            }
            for name in names.values():
                with open(name, "w") as file:
                    file.write(f"{len(tasks)} tasks")
            return {"example": example, "any": "artefact", **names}
        print("No labelled tasks yet")
        return {}
