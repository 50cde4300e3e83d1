import importlib
import math
import sys
from pathlib import Path

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
    pytest.importorskip(
        "skactiveml", reason="the lowest label-studio-sdk wants an older NumPy than scikit-activeml"
    )
    places = np.array([[0.0], [1.0], [10.0], [4.0], [0.1]])
    assert active.diverse(places, labelled=[0]).tolist() == [2, 3, 1, 4]
    assert active.diverse(places, labelled=[0], count=2).tolist() == [2, 3]
    assert active.diverse(places, labelled=range(5)).tolist() == []
    assert sorted(active.diverse(places).tolist()) == [0, 1, 2, 3, 4]


def crowds(at: tuple[float, ...] = (0, 5, 10), of: int = 20) -> "np.typing.NDArray[np.float64]":
    random = np.random.RandomState(0)
    return np.concatenate([random.normal(place, 0.1, (of, 2)) for place in at])


def test_covering_is_one_of_each_crowd() -> None:
    places = crowds()
    assert sorted(active.covering(places, count=3) // 20) == [0, 1, 2]
    assert sorted(active.covering(places, labelled=[3], count=2) // 20) == [1, 2]
    assert active.covering(places, labelled=range(60)).tolist() == []
    assert sorted(active.covering(places, labelled=range(50)).tolist()) == list(range(50, 60))


def test_covering_goes_where_the_model_is_unsure() -> None:
    """The middle one of three crowds alike is torn between two classes, the others are clear."""
    shares = [CLEAR] * 20 + [TORN] * 20 + [CLEAR] * 20
    assert active.covering(crowds(), shares, count=1) // 20 == [1]
    assert active.covering(crowds(), shares, labelled=[25], count=1) // 20 != [1], "it is known by now"


def test_covering_adds_most_at_each_step() -> None:
    """The same by trying every task, from the words of the docstring."""
    random = np.random.RandomState(1)
    places, shares = random.normal(size=(15, 3)), random.dirichlet(np.ones(4), 15)
    near = np.array([[((one - other) ** 2).sum() for other in places] for one in places])
    chosen = [2]
    rest = [number for number in range(15) if number not in chosen]
    near = np.exp(-near / np.median(near[np.ix_(rest, rest)]))

    def covered(known: list[int]) -> float:
        return sum(
            float(near[one, known].max()) * (1 - float(active.margin([shares[one]])[0])) for one in range(15)
        )

    for _ in range(6):
        rest = [number for number in range(15) if number not in chosen]
        chosen.append(max(rest, key=lambda one: covered([*chosen, one])))
    assert active.covering(places, shares, labelled=[2], count=6).tolist() == chosen[1:]


def test_covering_many_looks_at_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(active, "_MOST_COMPARED", 30)
    found = active.covering(crowds(of=100), labelled=[*range(50), *range(100, 150)])
    assert len(found) == len(set(found.tolist())) == 30
    assert found[0] >= 200, (
        "what the labelled ones cover counts, although they are more than it compares at a time"
    )


def test_covering_of_tasks_all_alike() -> None:
    assert sorted(active.covering(np.zeros((4, 2)), labelled=[1]).tolist()) == [0, 2, 3]


def test_covering_takes_one_row_for_each_task() -> None:
    with pytest.raises(ValueError, match="probabilities of 1 task and embeddings of 2"):
        active.covering([[0.0], [1.0]], [CLEAR])


def test_covering_saves_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real digits to 90 % accuracy, as in the docs: less than 0.6 of the labels that random order takes."""
    folder = Path(__file__).parent.parent / "examples" / "active_learning"
    monkeypatch.syspath_prepend(str(folder))
    for name in (path.stem for path in folder.glob("*.py")):
        monkeypatch.delitem(sys.modules, name, raising=False)
    known = set(sys.modules)
    study = importlib.import_module("curve")
    for name in set(sys.modules) - known:
        if getattr(sys.modules[name], "__file__", "") and str(folder) in str(sys.modules[name].__file__):
            del sys.modules[name]  # other tests have a module `model` of their own
    labels = {
        order: sum(study.needed(study.curve(order, seed, goal=0.9)) for seed in (1, 2, 3))
        for order in ("random", "coverage")
    }
    assert labels["coverage"] <= 0.6 * labels["random"], labels


def test_embeddings_are_checked() -> None:
    with pytest.raises(ValueError, match="embeddings must be"):
        active.covering([[math.inf, 0.0]])


def test_scores_of_an_order() -> None:
    found = active.scores([3, 0], 4)
    assert found[3] < found[0]
    assert np.isnan(found[[1, 2]]).all()


PLACES = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (PLACES[:2], "not a table: the vectors themselves are rows of embeddings"),
        ([[0.5, 1.0], [2.0]], "not list"),
        (np.array([True, False, False]), r"not a mask: use numpy.flatnonzero\(labelled\)"),
        ([0.0, 1.0], r"not list \[0.0, 1.0\]"),
        (["0"], "not list"),
        (0, "not int 0"),
        (None, "not NoneType None"),
        ([0, 3], "whole numbers from 0 to 2, not 3"),
        ([-1], "whole numbers from 0 to 2, not -1"),
    ],
)
def test_what_is_labelled_is_named_by_row_numbers(wrong: object, said: str) -> None:
    pytest.importorskip("skactiveml", reason="the lowest label-studio-sdk wants an older NumPy")
    """Floats were rounded to row numbers without a word, and vectors of 0 and 1 named the first two rows."""
    for order in (active.covering, active.diverse):
        with pytest.raises(ValueError, match=f"labelled must be row numbers of tasks.*{said}"):
            order(PLACES, labelled=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("labelled", [(), [], np.empty(0), [0], (0, 0), np.array([0], dtype=np.uint8)])
def test_row_numbers_of_any_kind_are_taken(labelled: object) -> None:
    count = 3 - min(len(labelled), 1)  # type: ignore[arg-type]
    assert len(active.covering(PLACES, labelled=labelled)) == count  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [1.5, "2", -1, True])
def test_count_is_a_number_of_tasks(count: object) -> None:
    with pytest.raises(ValueError, match="count must be how many tasks to choose"):
        active.covering(PLACES, count=count)  # type: ignore[arg-type]


def test_other_kinds_of_arguments_are_said() -> None:
    with pytest.raises(ValueError, match="probabilities must be a table of numbers, not list"):
        active.margin([["a", "b"]])
    with pytest.raises(ValueError, match="embeddings must be a table of numbers, not list"):
        active.covering([[1.0], [1.0, 2.0]])
    with pytest.raises(ValueError, match="order must be row numbers of tasks"):
        active.scores([0.5, 0.1], 2)
    with pytest.raises(ValueError, match="order must name each task once"):
        active.scores([1, 1], 2)
    with pytest.raises(ValueError, match="tasks must be how many tasks there are"):
        active.scores([0], [1])  # type: ignore[arg-type]
