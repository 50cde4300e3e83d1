"""Which tasks to label next: scores from class probabilities, orders from embeddings.

Every score is a *certainty* from 0 to 1: the task with the lowest score is to be labelled first. That is how Label
Studio's free edition orders by prediction score, ascending in the Data Manager and in "Uncertainty sampling".
"""

from typing import TYPE_CHECKING, Any

from label_studio_ml.texts import plural

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Numbers = NDArray[np.intp]

#: Tasks that `covering` compares with each other, which takes memory for that number squared (8 bytes each).
_LOOKED_AT = 4000


def least_confidence(probabilities: "ArrayLike") -> "Floats":
    """Return the probability of each task's most probable class.

    `probabilities` has a row for each task and a column for each class (`predict_proba` of scikit-learn). Rows that
    do not add up to 1 are scaled to. Raises ValueError when it is no such table, or has values below 0 or not finite.
    """
    scores: Floats = _table(probabilities).max(axis=1)
    return scores


def margin(probabilities: "ArrayLike") -> "Floats":
    """Return by how much each task's most probable class is more probable than the next. See `least_confidence`."""
    import numpy as np

    table = _table(probabilities)
    if table.shape[1] == 1:
        return np.ones(len(table))
    ordered = np.sort(table, axis=1)
    scores: Floats = ordered[:, -1] - ordered[:, -2]
    return scores


def entropy(probabilities: "ArrayLike") -> "Floats":
    """Return 1 less the entropy of each task's classes, as a part of the highest there can be.

    See `least_confidence`.
    """
    import numpy as np

    table = _table(probabilities)
    if table.shape[1] == 1:
        return np.ones(len(table))
    logs = np.log(table, where=table > 0, out=np.zeros_like(table))
    scores: Floats = np.clip(1 + (table * logs).sum(axis=1) / np.log(table.shape[1]), 0.0, 1.0)
    return scores


def diverse(embeddings: "ArrayLike", *, labelled: "ArrayLike" = (), count: int | None = None) -> "Numbers":
    """Return which tasks to label, the first one first, so that they differ most: k-center, greedily.

    `embeddings` has a row for each task, `labelled` the rows that have a label already. Each next task is the one that
    is farthest from all that are labelled or chosen before it. `count` is how many to choose (None: all). Needs the
    extra `active` (scikit-activeml). Raises ValueError when `embeddings` is no table of finite numbers, or `labelled`
    holds anything but row numbers.
    """
    import numpy as np

    try:
        from skactiveml.pool import CoreSet
    except ImportError:
        raise ImportError(
            "scikit-activeml is not installed: pip install 'label-studio-ml[active]'", name="skactiveml"
        ) from None

    table, known, free = _places(embeddings, labelled)
    wanted = _wanted(count, len(free))
    if wanted < 1:
        return np.empty(0, dtype=np.intp)
    labels: Any = np.full(len(table), np.nan)
    labels[known] = 0
    query = CoreSet(missing_label=np.nan, random_state=0)
    found: Numbers = np.asarray(query.query(table, labels, batch_size=wanted), dtype=np.intp)
    return found


def covering(
    embeddings: "ArrayLike",
    probabilities: "ArrayLike | None" = None,
    *,
    labelled: "ArrayLike" = (),
    count: int | None = None,
) -> "Numbers":
    """Return which tasks to label, the first one first, that stand for most of what the model is unsure of.

    Each next task is the one that adds most to what is covered: every task counts by how near it is to one that is
    labelled or chosen (a Gaussian kernel, as wide as the median distance) times how unsure the model is of it
    (1 - `margin`). Without `probabilities` all tasks count alike: for the very first labels, before there is a model.

    `embeddings`, `labelled` and `count` as for `diverse`; `probabilities` has a row for each task too. Of more than
    4,000 tasks without a label, 4,000 drawn at random are looked at. Raises ValueError when one is no such table.
    """
    import numpy as np

    table, known, free = _places(embeddings, labelled)
    if probabilities is None:
        unsure: Floats = np.ones(len(table))
    else:
        unsure = 1 - margin(probabilities)
        if len(unsure) != len(table):
            raise ValueError(
                f"there are probabilities of {plural(len(unsure), 'task')} and embeddings of {len(table)}"
            )
    if len(free) > _LOOKED_AT:
        free = np.sort(np.random.RandomState(0).choice(free, _LOOKED_AT, replace=False))
    wanted = _wanted(count, len(free))
    if wanted < 1:
        return np.empty(0, dtype=np.intp)
    near = _squares(table[free], table[free])
    width = float(np.median(near)) or float(near.mean()) or 1.0
    near /= -width
    np.exp(near, out=near)
    covered = np.zeros(len(free))
    for start in range(0, len(known), _LOOKED_AT):
        squares = _squares(table[free], table[known[start : start + _LOOKED_AT]])
        covered = np.maximum(covered, np.exp(squares.min(axis=1) / -width))
    chosen: list[int] = []
    for _ in range(wanted):
        gains = np.concatenate(
            [
                np.maximum(rows - covered, 0) @ unsure[free]
                for rows in np.array_split(near, len(near) // 500 + 1)
            ]
        )
        gains[chosen] = -1
        chosen.append(int(gains.argmax()))
        covered = np.maximum(covered, near[chosen[-1]])
    found: Numbers = free[chosen]
    return found


def scores(order: "ArrayLike", tasks: int) -> "Floats":
    """Return a score for each of `tasks` tasks from the `order` in which they are to be labelled.

    The first one gets the lowest score. Tasks that are not in `order` get NaN: no score. Raises ValueError when
    `order` is no list of different row numbers below `tasks`.
    """
    import numpy as np

    if isinstance(tasks, bool) or not isinstance(tasks, int | np.integer) or tasks < 0:
        raise ValueError(f"tasks must be how many tasks there are, not {_shown(tasks)}")
    places = _rows(order, int(tasks), "order")
    if len(np.unique(places)) != len(places):
        raise ValueError("order must name each task once")
    found = np.full(tasks, np.nan)
    found[places] = (np.arange(len(places)) + 1) / (len(places) + 1)
    return found


def _table(values: "ArrayLike") -> "Floats":
    import numpy as np

    table = _numbers(values, "probabilities")
    if table.ndim != 2 or not table.shape[1]:
        raise ValueError(f"probabilities must be a table of tasks and classes, not of shape {table.shape}")
    if not np.isfinite(table).all() or (table < 0).any():
        raise ValueError("probabilities must be finite and not below 0")
    sums = table.sum(axis=1, keepdims=True)
    scaled: Floats = np.divide(table, sums, out=np.full_like(table, 1 / table.shape[1]), where=sums > 0)
    return scaled


def _places(embeddings: "ArrayLike", labelled: "ArrayLike") -> "tuple[Floats, Numbers, Numbers]":
    """Return the table, the rows that have a label, and those that have none."""
    import numpy as np

    table = _numbers(embeddings, "embeddings")
    if table.ndim != 2 or not table.shape[1] or not np.isfinite(table).all():
        raise ValueError("embeddings must be a table of tasks and finite numbers")
    known = np.unique(_rows(labelled, len(table), "labelled"))
    return table, known, np.setdiff1d(np.arange(len(table)), known)


def _numbers(values: "ArrayLike", name: str) -> "Floats":
    """Return `values` as an array of numbers. Raises ValueError, with the argument's `name`, if they are none."""
    import numpy as np

    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a table of numbers, not {_shown(values)}") from None


def _rows(values: "ArrayLike", count: int, name: str) -> "Numbers":
    """Return row numbers of a table of `count` rows. Raises ValueError, saying what was meant, for anything else."""
    import numpy as np

    meant = f"{name} must be row numbers of tasks, whole numbers from 0 to {count - 1}"
    try:
        rows = np.asarray(values)
    except ValueError:
        raise ValueError(f"{meant}, not {_shown(values)}") from None
    if not rows.size and rows.ndim == 1:
        return np.empty(0, dtype=np.intp)
    if rows.dtype == bool:
        raise ValueError(f"{meant}, not a mask: use numpy.flatnonzero({name})")
    if rows.ndim == 2:
        raise ValueError(f"{meant}, not a table: the vectors themselves are rows of embeddings")
    if rows.ndim != 1 or not np.issubdtype(rows.dtype, np.integer):
        raise ValueError(f"{meant}, not {_shown(values)}")
    if rows.min() < 0 or rows.max() >= count:
        wrong = next(int(row) for row in rows if not 0 <= row < count)
        raise ValueError(f"{meant}, not {wrong}")
    return rows.astype(np.intp)


def _wanted(count: int | None, free: int) -> int:
    """Return how many of `free` tasks to choose. Raises ValueError if `count` is no number of tasks."""
    import numpy as np

    if count is None:
        return free
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 0:
        raise ValueError(f"count must be how many tasks to choose, or None for all, not {_shown(count)}")
    return min(int(count), free)


def _shown(value: object) -> str:
    """Return a value as an error message shows it."""
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:60] + '…'}"


def _squares(ones: "Floats", others: "Floats") -> "Floats":
    """Return the squared distance of each row of `ones` to each of `others`."""
    import numpy as np

    products = ones @ others.T
    products *= -2
    products += (ones**2).sum(axis=1)[:, None]
    products += (others**2).sum(axis=1)
    squares: Floats = np.maximum(products, 0, out=products)
    return squares
