"""The call of `/predict` that several checks make, and when they are skipped."""

from label_studio_ml.conformance.answer import Answer
from label_studio_ml.conformance.sample_project import Json
from label_studio_ml.conformance.trial import Trial

#: Why checks are skipped after a `/predict` without an answer.
NO_ANSWER = "/predict fails already in an earlier check"


def predict(trial: Trial, body: Json) -> Answer:
    """Send a `/predict`. If the backend does not answer in time, `trial.predicts` becomes False."""
    answer = trial.calls.post("/predict", body, trial.calls.limits.predict)
    if answer.timed_out:
        trial.predicts = False
    return answer


def reason_to_skip(trial: Trial) -> str:
    """Return why predictions cannot be compared with earlier ones; empty if they can. Raises OutOfTime."""
    if not trial.predicts:
        return NO_ANSWER
    trial.calls.time_limit.check()  # else the missing predictions would be the reason
    return "" if trial.results else "there are no predictions to compare"
