"""A model that says which version it is: 20 ms a batch, `fit` returns a dict."""

import time

from label_studio_ml.model import LabelStudioMLBase


class Numbered(LabelStudioMLBase):
    """Every prediction holds the number of the version that made it."""

    def predict(self, tasks, **kwargs):
        time.sleep(0.02)
        number = str(self.train_output.get("number", 0))
        region = {
            "from_name": "choice",
            "to_name": "image",
            "type": "choices",
            "value": {"choices": [number]},
        }
        return [{"result": [region], "score": 0.5} for _ in tasks]

    def fit(self, annotations, workdir=None, **kwargs):
        return {}
