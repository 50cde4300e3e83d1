# mypy: ignore-errors
"""A model with faults that files beside it switch on: `wrong-name` makes it predict for a tag that is not there."""

from pathlib import Path

from label_studio_ml.model import LabelStudioMLBase

HERE = Path(__file__).resolve().parent


class PatientModel(LabelStudioMLBase):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        if self.parsed_label_config and "choice" not in self.parsed_label_config:
            raise ValueError("the label config has no tag named choice")

    def predict(self, tasks, **kwargs):
        if (HERE / "fails").exists():
            raise RuntimeError("the model fails as it was told")
        name = "other" if (HERE / "wrong-name").exists() else "choice"
        region = {"from_name": name, "to_name": "text", "type": "choices", "value": {"choices": ["a"]}}
        return [{"result": [region], "score": 0.5} for _ in tasks]

    def fit(self, annotations, **kwargs):
        return {}
