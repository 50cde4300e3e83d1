# mypy: ignore-errors
"""The tutorial's model: always the first label, always stamped with the same version."""

from label_studio_ml.model import LabelStudioMLBase


class DummyModel(LabelStudioMLBase):
    def __init__(self, **kwargs):
        super(DummyModel, self).__init__(**kwargs)  # noqa: UP008 - as the tutorial has it
        from_name, schema = list(self.parsed_label_config.items())[0]  # noqa: RUF015
        self.from_name = from_name
        self.to_name = schema["to_name"][0]
        self.labels = schema["labels"]

    def predict(self, tasks, **kwargs):
        return [
            {
                "score": 0.987,
                "model_version": "delorean-20151021",
                "result": [
                    {
                        "from_name": self.from_name,
                        "to_name": self.to_name,
                        "type": "choices",
                        "score": 0.5,
                        "value": {"choices": [self.labels[0]]},
                    }
                ],
            }
            for task in tasks
        ]

    def fit(self, annotations, **kwargs):
        return {"path/to/created/model": "my/model.bin"}
