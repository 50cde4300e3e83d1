"""The real model below label-studio-ml."""

from embedder import MAX_BATCH, Embedder

from label_studio_ml.model import LabelStudioMLBase


class MiniLM(LabelStudioMLBase):
    """One topic for each text."""

    max_batch_size = MAX_BATCH

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.from_name, control = next(iter(self.parsed_label_config.items()))
        self.to_name = control["to_name"][0]
        self.labels = control["labels"]
        self.embedder = Embedder(len(self.labels))

    def predict(self, tasks, **kwargs):
        found = self.embedder.classify([task["data"]["text"] for task in tasks])
        return [
            {
                "result": [
                    {
                        "from_name": self.from_name,
                        "to_name": self.to_name,
                        "type": "choices",
                        "value": {"choices": [self.labels[label]]},
                    }
                ],
                "score": score,
            }
            for label, score in found
        ]

    def fit(self, annotations, workdir=None, **kwargs):
        return {"labelled": len(annotations)}
