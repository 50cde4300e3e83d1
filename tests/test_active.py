import math

import numpy as np
import pytest

from label_studio_ml import active

CLEAR, TORN, EVEN = [0.9, 0.05, 0.05], [0.45, 0.45, 0.1], [1 / 3, 1 / 3, 1 / 3]


def test_least_confidence() -> None:
    assert active.least_confidence([CLEAR, TORN]).tolist() == [0.9, 0.45]


def test_margin() -> None:
    assert active.margin([CLEAR, TORN, EVEN]).tolist() == pytest.approx([0.85, 0.0, 0.0])


def test_entropy() -> None:
    clear, even, sure = active.entropy([CLEAR, EVEN, [1.0, 0.0, 0.0]])
    nats = -(0.9 * math.log(0.9) + 2 * 0.05 * math.log(0.05))
    assert clear == pytest.approx(1 - nats / math.log(3))
    assert even == pytest.approx(0.0)
    assert sure == 1.0


def test_the_three_orders_differ() -> None:
    """Torn between two of three is what margin asks first, even between all what entropy does."""
    table = [[0.5, 0.5, 0.0], [0.4, 0.32, 0.28]]
    assert active.margin(table).argmin() == 0
    assert active.entropy(table).argmin() == 1
    assert active.least_confidence(table).argmin() == 1


@pytest.mark.parametrize("score", [active.least_confidence, active.margin, active.entropy])
def test_what_is_taken(score) -> None:  # type: ignore[no-untyped-def]
    assert score([[9, 0.5, 0.5]]) == pytest.approx(score([CLEAR]))  # votes are scaled
    assert score([[0.0, 0.0]]) == pytest.approx(score([[0.5, 0.5]]))
    assert score([[1.0]]).tolist() == [1.0]
    tables: list[list[object]] = [[0.1, 0.9], [[math.nan, 1.0]], [[-0.1, 1.1]], [[]]]
    for wrong in tables:
        with pytest.raises(ValueError, match="probabilities must be"):
            score(wrong)


def test_diverse_is_k_center() -> None:
    """Each next one is the farthest from all before it."""
    places = np.array([[0.0], [1.0], [10.0], [4.0], [0.1]])
    assert active.diverse(places, labelled=[0]).tolist() == [2, 3, 1, 4]
    assert active.diverse(places, labelled=[0], count=2).tolist() == [2, 3]
    assert active.diverse(places, labelled=range(5)).tolist() == []
    assert sorted(active.diverse(places).tolist()) == [0, 1, 2, 3, 4]


def test_typical_is_one_of_each_crowd() -> None:
    random = np.random.RandomState(0)
    crowds = np.concatenate([random.normal(at, 0.1, (20, 2)) for at in (0, 5, 10)])
    assert sorted(active.typical(crowds, count=3) // 20) == [0, 1, 2]
    assert sorted(active.typical(crowds, labelled=[3], count=2) // 20) == [1, 2]


def test_embeddings_are_checked() -> None:
    with pytest.raises(ValueError, match="embeddings must be"):
        active.diverse([[math.inf, 0.0]])


def test_scores_of_an_order() -> None:
    found = active.scores([3, 0], 4)
    assert found[3] < found[0]
    assert np.isnan(found[[1, 2]]).all()
