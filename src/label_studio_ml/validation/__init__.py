"""What Label Studio cannot show of a prediction, for tests of a model.

from label_studio_ml.validation import check_prediction
check_prediction(LABEL_CONFIG, task, model.predict([task])[0])
"""

from label_studio_ml.validation.finding import Finding, Severity
from label_studio_ml.validation.strict_checks import check_prediction, prediction_problems

__all__ = ["Finding", "Severity", "check_prediction", "prediction_problems"]
