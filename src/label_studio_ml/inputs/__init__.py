"""What a control's object shows of a task: values, local files, texts. For predictions as for training."""

from label_studio_ml.inputs.model_input import Input

__all__ = ["Input"]
