"""Answers clicks only: a mask for a key point, a text for a box, and a text prompt that changes the task itself."""

import os
import sys

import numpy as np

ROOT_DIR = os.getcwd()
sys.path.insert(0, ROOT_DIR)

from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.response import ModelResponse
from label_studio_sdk import LabelStudio
from label_studio_sdk.converter import brush
from predictor import Predictor

STUDIO = os.environ.get("LABEL_STUDIO_URL")
TOKEN = os.environ.get("LABEL_STUDIO_ACCESS_TOKEN")
PREDICTOR = Predictor(os.environ.get("CLICKS_CHOICE", "small"))
ls = LabelStudio(base_url=STUDIO, api_key=os.environ.get("LABEL_STUDIO_API_KEY"))


class Clicks(LabelStudioMLBase):
    def __init__(self, project_id, **kwargs):
        super(Clicks, self).__init__(**kwargs)
        self.label = None
        self.from_name, self.to_name, self.value = None, None, None

    def setup(self):
        if not TOKEN:
            raise ValueError("LABEL_STUDIO_ACCESS_TOKEN environment variable is not set")
        self.set("model_version", f"{self.__class__.__name__}-v0.0.1")

    def predict(self, tasks, **kwargs):
        self.from_name, self.to_name, self.value = self.get_first_tag_occurence("BrushLabels", "Image")
        context = kwargs.get("context")
        if not context or not context.get("result"):
            return []
        last = context["result"][-1]
        if last["type"] == "textarea":
            return self.change_task(tasks[0], last["value"]["text"][0], context)
        if last["type"] == "rectanglelabels":
            return self.read_box(tasks[0], last)
        return self.mask(tasks[0], context["result"])

    def mask(self, task, clicks):
        width, height = clicks[0]["original_width"], clicks[0]["original_height"]
        points, label = set(), None
        for click in clicks:
            label = click["value"][click["type"]][0]
            if int(click.get("is_positive", 0)):
                points.add((int(click["value"]["x"] * width / 100), int(click["value"]["y"] * height / 100)))
        said = PREDICTOR.predict(
            url=task["data"][self.value], points=points, task=task, path_resolver=self.get_local_path
        )
        region = {
            "id": "mask",
            "from_name": self.from_name,
            "to_name": self.to_name,
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": {
                "format": "rle",
                "rle": brush.mask2rle(np.array(said["mask"], dtype=np.uint8) * 255),
                "brushlabels": [label],
            },
            "score": said["score"],
            "type": "brushlabels",
            "readonly": False,
        }
        return [{"result": [region], "model_version": self.get("model_version"), "score": said["score"]}]

    def read_box(self, task, box):
        from_name, _, value = self.label_interface.get_first_tag_occurence("TextArea", "Image")
        path = self.get_local_path(
            task["data"][value], ls_access_token=TOKEN, ls_host=STUDIO, task_id=task.get("id")
        )
        meta = {**task, **box}
        region = {
            "original_width": box["original_width"],
            "original_height": box["original_height"],
            "image_rotation": 0,
            "value": {**box["value"], "rotation": 0, "text": [f"{os.path.getsize(path)} bytes"]},
            "id": meta["id"],
            "from_name": from_name,
            "to_name": meta["to_name"],
            "type": "textarea",
            "origin": "manual",
        }
        return [{"result": [region, box], "score": 0, "model_version": self.get("model_version")}]

    def change_task(self, task, text, context):
        if text == "nothing":
            return ModelResponse(predictions=[])
        ls.tasks.update(id=task["id"], data={"text": text, "by": context["user_id"]})
        return None


if __name__ == "__main__":
    model = Clicks(project_id="1")
    model.use_label_config('<View><Image name="image" value="$image"/></View>')
    print(model.predict(tasks=[{"data": {"image": "none"}}]))
