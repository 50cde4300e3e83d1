"""A right model: marks the first word of each text."""

from label_studio_ml.model import LabelStudioMLBase


class SpanModel(LabelStudioMLBase):
    def predict(self, tasks, **kwargs):
        control = self.controls.first("Labels", on="Text")
        predictions = []
        for task in tasks:
            text = task["data"].get(control.field)
            words = text.split() if isinstance(text, str) else []
            result = []
            if words:
                start = text.index(words[0])
                value = {"start": start, "end": start + len(words[0]), "labels": [control.label_names[0]]}
                result.append(
                    {"from_name": control.name, "to_name": control.to_name, "type": "labels", "value": value}
                )
            predictions.append({"result": result, "score": 0.5})
        return predictions
