"""Tell from a metric's name whether more of it is better, and judge the difference of two values."""

import math
import re
from typing import Any, Literal

Direction = Literal["higher", "lower", ""]
Verdict = Literal["better", "worse", "same", "changed", ""]

_LOWER = frozenset(
    """
    loss losses error errors err mae mse rmse mape msle cer wer ter fer eer perplexity ppl distance
    brier nll entropy latency seconds ece fpr fnr divergence deviation hausdorff
    """.split()  # noqa: SIM905 (a list of one word a line is longer than the code)
)
_HIGHER = frozenset(
    """
    accuracy acc precision recall f1 fbeta map ap ar iou dice jaccard auc auroc roc aupr r2 correlation
    pearson spearman kendall kappa mcc ndcg mrr bleu rouge meteor chrf score similarity agreement
    specificity sensitivity psnr ssim predicted identical
    """.split()  # noqa: SIM905 (a list of one word a line is longer than the code)
)
_WORDS = re.compile(r"[a-z]+[0-9]?")


def direction(metric: str) -> Direction:
    """Return "higher" if a metric of this name is better the higher it is, "lower" if the lower, empty if unknown.

    The last known word of the name decides: `val_loss` is a loss, `loss_accuracy` an accuracy.
    """
    for word in reversed(_WORDS.findall(metric[:200].lower())):
        for name in (word, word.rstrip("0123456789")):
            if name in _LOWER:
                return "lower"
            if name in _HIGHER:
                return "higher"
    return ""


def difference(metric: str, value: Any, before: Any) -> dict[str, Any] | None:
    """Return `by`, the value less the one before, and the `verdict` on it; None if one is not a finite number."""
    if not (_is_number(value) and _is_number(before)):
        return None
    try:
        by = value - before
        if not math.isfinite(by):
            return None
    except OverflowError:
        return None
    return {"by": by, "verdict": _verdict(direction(metric), by)}


def _verdict(better: Direction, by: float) -> Verdict:
    if by == 0:
        return "same"
    if not better:
        return "changed"
    return "better" if (by > 0) == (better == "higher") else "worse"


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:
        return False
