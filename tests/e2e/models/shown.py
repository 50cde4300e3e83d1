# mypy: ignore-errors
"""A model whose predictions show its version: each training moves its box, a click or a drawn box moves it there."""

from label_studio_ml.model import LabelStudioMLBase


class Shown(LabelStudioMLBase):
    """Draws a box, a span and a choice, as far as the label config has controls for them."""

    def predict(self, tasks, context=None, **kwargs):
        return [{"result": self.regions(task["data"], context), "score": 0.5} for task in tasks]

    def regions(self, data, context):
        trainings = (self.train_output or {}).get("trainings", 0)
        result = []
        if box := self.controls.find("RectangleLabels", on="Image"):
            place = {"x": 10 + 15 * trainings, "y": 20, "width": 25, "height": 30, "rotation": 0}
            label = box.label_names[0]
            if context:
                click = context["result"][-1]["value"]
                place |= {"x": click["x"], "y": click["y"]}
                label = (click.get("keypointlabels") or click["rectanglelabels"])[0]
            item = {"id": "box", "from_name": box.name, "to_name": box.object.name, "type": "rectanglelabels"}
            size = {"original_width": 640, "original_height": 480}
            result.append({**item, **size, "score": 0.8, "value": {**place, "rectanglelabels": [label]}})
        if span := self.controls.find("Labels", on="Text"):
            if data["text"] == "unreadable":
                raise ValueError("this text cannot be read")
            value = {"start": 0, "end": 5, "labels": [span.label_names[0]]}
            result.append(
                {"from_name": span.name, "to_name": span.object.name, "type": "labels", "value": value}
            )
        return result

    def fit(self, annotations, **kwargs):
        return {"trainings": (self.train_output or {}).get("trainings", 0) + 1}
