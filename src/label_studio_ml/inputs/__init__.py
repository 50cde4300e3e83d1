"""What a control's object shows of a task: values, local files, texts, rows. For predictions as for training."""

from label_studio_ml.inputs.model_input import Input
from label_studio_ml.inputs.series_rows import TimeSeriesRows, time_series

__all__ = ["Input", "TimeSeriesRows", "time_series"]
