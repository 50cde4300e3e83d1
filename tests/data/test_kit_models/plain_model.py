"""A right model in the style of the older template: it predicts nothing, and remembers the last event."""

from label_studio_ml.model import LabelStudioMLBase


class PlainModel(LabelStudioMLBase):
    def setup(self):
        self.set("model_version", "0.0.1")

    def predict(self, tasks, context=None, **kwargs):
        print(f"Run prediction on {tasks}, context {context}, project {self.project_id}")
        return []

    def fit(self, event, data, **kwargs):
        old = self.get("my_data")
        print(f"Old data: {old}")
        self.set("my_data", f"updated by {event}")
        self.set("model_version", "0.0.2")
