"""The tutorial's model: it answers every task with the first label, so all the time measured is the server's."""

from label_studio_ml.model import LabelStudioMLBase


class FirstLabel(LabelStudioMLBase):
    """Answer with the first label of the first control tag."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.from_name, control = next(iter(self.parsed_label_config.items()))
        self.to_name = control["to_name"][0]
        self.labels = control["labels"]

    def predict(self, tasks, **kwargs):
        region = {
            "from_name": self.from_name,
            "to_name": self.to_name,
            "type": "choices",
            "value": {"choices": [self.labels[0]]},
        }
        return [{"result": [region], "score": 0.5} for _ in tasks]

    def fit(self, annotations, workdir=None, **kwargs):
        return {"labelled": len(annotations)}
