"""What a tracker lacks of one run: why, whether it may still come, and what a person can do.

Losses stay; a delay ends when the tracker takes everything again. The texts are for job records.
"""

from collections import deque
from collections.abc import Mapping

from label_studio_ml.config.tracker_settings import TRACKER_TITLES
from label_studio_ml.support.url_secrets import mask_in_text
from label_studio_ml.trackers.messages import Gap

#: The most losses that a text lists, the latest ones, and the most characters of a text.
_MAX_LOSSES, _MAX_TEXT = 3, 500

#: What to check if a tracker takes nothing, by the tracker's name in TRACKER.
_FIXES: Mapping[str, str] = {
    "mlflow": "Check that MLflow runs, MLFLOW_TRACKING_URI and its login",
    "wandb": "Check WANDB_MODE, WANDB_BASE_URL, the login (wandb login), and the disk of logs/wandb",
    "tensorboard": "Check that TENSORBOARD_DIR can be written to, and its disk",
}
_KEPT = "What this training logged stays in metrics.jsonl of its version"

#: The gap of a run until the tracker's process has reached the tracker: no advice is needed.
NOT_REACHED = Gap(problem="it has not been reached yet")


class GapList:
    """The gaps of one run. Not safe to use from several threads without a lock."""

    def __init__(self) -> None:
        self._losses: deque[str] = deque(maxlen=_MAX_LOSSES)
        self._has_more = False
        self._fix = ""
        self._delay, self._delay_fix = "", ""

    def lose(self, text: str, fix: str = "") -> None:
        """Add a loss that stays; `fix` is its own advice, empty for that of the tracker."""
        if text not in self._losses:
            self._has_more = self._has_more or len(self._losses) == _MAX_LOSSES
            self._losses.append(text)
            self._fix = self._fix or fix

    def delay(self, text: str, fix: str = "") -> None:
        """Note why nothing is taken now, with its own advice, if any; an empty text ends the delay."""
        self._delay, self._delay_fix = text, fix

    def gap(self) -> Gap:
        """Return the gap as it is now; its problem is empty if nothing is missing."""
        texts = [
            *self._losses,
            "more is in the job's log" if self._has_more else "",
            self._delay,
        ]
        problem = "; ".join(text for text in texts if text)
        return Gap(
            problem=mask_in_text(" ".join(problem.split()))[:_MAX_TEXT], fix=self._fix or self._delay_fix
        )


def record_of(tracker: str, link: Mapping[str, str], gap: Gap) -> dict[str, str]:
    """Return what a job's record has of a tracker: `url` or `place`; of a gap `missing`, `problem`, `text` and `fix`.

    `link` is where the run is, empty if the tracker has nothing of it. `missing` is "everything" or "part". `text` is a
    sentence with the tracker's name and the problem. A run that is about to reach its tracker has no `fix`.
    """
    if not gap.problem:
        return dict(link)
    title = TRACKER_TITLES.get(tracker, tracker)
    record = {**link, "missing": "part" if link else "everything", "problem": gap.problem}
    if gap == NOT_REACHED:
        return {**record, "text": f"{title}: {gap.problem}"}
    missing = "a part of this training" if link else "this training"
    text = f"{title} lacks {missing}: {gap.problem.rstrip('.')}"
    return {**record, "text": text, "fix": f"{gap.fix or _FIXES[tracker]}. {_KEPT}"}


def gap_text(record: Mapping[str, str]) -> str:
    """Return what a tracker lacks and what to do, empty if it has everything. `record` is that of `record_of`."""
    text, fix = record.get("text", ""), record.get("fix", "")
    return f"{text}. {fix}" if text and fix else text
