# mypy: ignore-errors
"""A model for clicks only: without a context it has nothing to say, with one it draws a box there."""

from label_studio_ml.model import LabelStudioMLBase


class Clicked(LabelStudioMLBase):
    def predict(self, tasks, context=None, **kwargs):
        if not context or not context.get("result"):
            return []
        clicked = context["result"][0]["value"]
        value = {"x": clicked["x"], "y": clicked["y"], "width": 10, "height": 10, "rectanglelabels": ["cat"]}
        region = {"from_name": "box", "to_name": "image", "type": "rectanglelabels", "value": value}
        return [{"result": [region], "score": 0.5}]
