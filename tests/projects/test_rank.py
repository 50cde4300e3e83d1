"""What `rank` says of predictions that lack what an order goes by. The orders: tests/e2e/test_rank.py."""

import pytest

from label_studio_ml.errors import SettingsError
from label_studio_ml.projects.rank import _PredictedTask, _scored

EMBEDDING, SHARES = [1.0, 0.0], [0.5, 0.5]


@pytest.mark.parametrize(
    ("prediction", "by", "missing", "other"),
    [
        ({"score": 0.5}, "margin", "probabilities", "least-confidence"),
        ({"score": 0.5}, "entropy", "probabilities", "least-confidence"),
        ({"score": 0.5}, "coverage", "embedding", "least-confidence"),
        ({"score": 0.5, "embedding": EMBEDDING}, "margin", "probabilities", "coverage"),
        ({"score": 0.5, "probabilities": SHARES}, "diversity", "embedding", "least-confidence"),
    ],
)
def test_the_way_that_is_named_instead_works(
    prediction: dict[str, object], by: str, missing: str, other: str
) -> None:
    asked = [_PredictedTask(7, prediction, labelled=False)]
    said = f"task 7 has no '{missing}', which --by {by} needs.* or use --by {other}$"
    with pytest.raises(SettingsError, match=said):
        _scored(asked, by, None)
    assert [one.task_id for one, _ in _scored(asked, other, None)] == [7]
