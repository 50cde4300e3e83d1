"""Active learning: choose the tasks to label next, by class probabilities or by embeddings.

Every score is a *certainty* from 0 to 1, and the task with the lowest score is to be labelled first. Label Studio's
free edition orders tasks that way: ascending by prediction score, in the Data Manager and in "Uncertainty sampling".
"""

from typing import TYPE_CHECKING, Any

from label_studio_ml.support.texts import plural

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Numbers = NDArray[np.intp]

#: The most tasks that `covering` compares with each other; memory grows with its square (8 bytes a pair).
_MOST_COMPARED = 4000


def least_confidence(probabilities: "ArrayLike") -> "Floats":
    """Return the probability of each task's most probable class.

    `probabilities` has a row for each task and a column for each class, as from scikit-learn's `predict_proba`. Rows
    are scaled to a sum of 1. Raises ValueError if it is not such a table, or has negative or non-finite values.
    """
    scores: Floats = _table(probabilities).max(axis=1)
    return scores


def margin(probabilities: "ArrayLike") -> "Floats":
    """Return the probability of each task's most probable class minus the next one's. See `least_confidence`."""
    import numpy as np

    table = _table(probabilities)
    if table.shape[1] == 1:
        return np.ones(len(table))
    ordered = np.sort(table, axis=1)
    scores: Floats = ordered[:, -1] - ordered[:, -2]
    return scores


def entropy(probabilities: "ArrayLike") -> "Floats":
    """Return 1 minus the normalized entropy (0 to 1) of each task's class probabilities.

    See `least_confidence` for the argument.
    """
    import numpy as np

    table = _table(probabilities)
    if table.shape[1] == 1:
        return np.ones(len(table))
    logs = np.log(table, where=table > 0, out=np.zeros_like(table))
    scores: Floats = np.clip(1 + (table * logs).sum(axis=1) / np.log(table.shape[1]), 0.0, 1.0)
    return scores


def diverse(embeddings: "ArrayLike", *, labelled: "ArrayLike" = (), count: int | None = None) -> "Numbers":
    """Return the tasks to label, most useful first, chosen for diversity by greedy k-center selection.

    `embeddings` has a row for each task; `labelled` lists the rows that have a label already. Each selected task is the
    farthest from all labelled and previously selected ones. `count` is the number of tasks to select (None: all without
    a label). Requires the extra `active` (scikit-activeml). Raises ValueError if `embeddings` is not a table of finite
    numbers or `labelled` holds anything but row numbers, ImportError if scikit-activeml is not installed.
    """
    import numpy as np

    try:
        from skactiveml.pool import CoreSet
    except ImportError:
        raise ImportError(
            "scikit-activeml is not installed: pip install 'label-studio-ml[active]'", name="skactiveml"
        ) from None

    table, with_label, without_label = _split_rows(embeddings, labelled)
    size = _selection_size(count, len(without_label))
    if size < 1:
        return np.empty(0, dtype=np.intp)
    labels: Any = np.full(len(table), np.nan)
    labels[with_label] = 0
    query = CoreSet(missing_label=np.nan, random_state=0)
    selected: Numbers = np.asarray(query.query(table, labels, batch_size=size), dtype=np.intp)
    return selected


def covering(
    embeddings: "ArrayLike",
    probabilities: "ArrayLike | None" = None,
    *,
    labelled: "ArrayLike" = (),
    count: int | None = None,
) -> "Numbers":
    """Return the tasks to label, most useful first, chosen to represent the tasks that the model is unsure of.

    Each selected task adds most to the coverage. A task's coverage is its similarity (Gaussian kernel, as wide as the
    median squared distance) to the nearest labelled or selected task, weighted by the model's uncertainty (1 -
    `margin`). Without `probabilities`, as before the first model, all tasks have equal weight.

    `embeddings`, `labelled` and `count` are those of `diverse`; `probabilities` has a row for each task as well. If
    more than 4,000 tasks have no label, a random 4,000 are considered. Raises ValueError for an invalid argument.
    """
    import numpy as np

    table, with_label, without_label = _split_rows(embeddings, labelled)
    if probabilities is None:
        uncertainty: Floats = np.ones(len(table))
    else:
        uncertainty = 1 - margin(probabilities)
        if len(uncertainty) != len(table):
            raise ValueError(
                f"there are probabilities of {plural(len(uncertainty), 'task')} and embeddings of {len(table)}"
            )
    if len(without_label) > _MOST_COMPARED:
        without_label = np.sort(np.random.RandomState(0).choice(without_label, _MOST_COMPARED, replace=False))
    size = _selection_size(count, len(without_label))
    if size < 1:
        return np.empty(0, dtype=np.intp)
    similarity = _squares(table[without_label], table[without_label])
    kernel_width = float(np.median(similarity)) or float(similarity.mean()) or 1.0
    similarity /= -kernel_width
    np.exp(similarity, out=similarity)
    covered = np.zeros(len(without_label))
    for start in range(0, len(with_label), _MOST_COMPARED):
        squares = _squares(table[without_label], table[with_label[start : start + _MOST_COMPARED]])
        covered = np.maximum(covered, np.exp(squares.min(axis=1) / -kernel_width))
    selected: list[int] = []
    for _ in range(size):
        gains = np.concatenate(
            [
                np.maximum(rows - covered, 0) @ uncertainty[without_label]
                for rows in np.array_split(similarity, len(similarity) // 500 + 1)
            ]
        )
        gains[selected] = -1
        selected.append(int(gains.argmax()))
        covered = np.maximum(covered, similarity[selected[-1]])
    chosen: Numbers = without_label[selected]
    return chosen


def scores(order: "ArrayLike", tasks: int) -> "Floats":
    """Return a score for each of `tasks` tasks from `order`, the row numbers in the order of labelling.

    The first one gets the lowest score. Tasks that are not in `order` get NaN, meaning no score. Raises ValueError if
    `order` is not a list of distinct row numbers below `tasks`.
    """
    import numpy as np

    if isinstance(tasks, bool) or not isinstance(tasks, int | np.integer) or tasks < 0:
        raise ValueError(f"tasks must be how many tasks there are, not {_described(tasks)}")
    rows = _rows(order, int(tasks), "order")
    if len(np.unique(rows)) != len(rows):
        raise ValueError("order must name each task once")
    result = np.full(tasks, np.nan)
    result[rows] = (np.arange(len(rows)) + 1) / (len(rows) + 1)
    return result


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


def _split_rows(embeddings: "ArrayLike", labelled: "ArrayLike") -> "tuple[Floats, Numbers, Numbers]":
    """Return the embeddings as a table, the row numbers with a label, and the row numbers without one."""
    import numpy as np

    table = _numbers(embeddings, "embeddings")
    if table.ndim != 2 or not table.shape[1] or not np.isfinite(table).all():
        raise ValueError("embeddings must be a table of tasks and finite numbers")
    with_label = np.unique(_rows(labelled, len(table), "labelled"))
    return table, with_label, np.setdiff1d(np.arange(len(table)), with_label)


def _numbers(values: "ArrayLike", name: str) -> "Floats":
    """Return `values` as an array of floats. Raises ValueError, naming the argument `name`, if they are not numbers."""
    import numpy as np

    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a table of numbers, not {_described(values)}") from None


def _rows(values: "ArrayLike", count: int, name: str) -> "Numbers":
    """Return `values` as row numbers of a table of `count` rows. Raises ValueError, saying what is expected."""
    import numpy as np

    expected = f"{name} must be row numbers of tasks, whole numbers from 0 to {count - 1}"
    try:
        rows = np.asarray(values)
    except ValueError:
        raise ValueError(f"{expected}, not {_described(values)}") from None
    if not rows.size and rows.ndim == 1:
        return np.empty(0, dtype=np.intp)
    if rows.dtype == bool:
        raise ValueError(f"{expected}, not a mask: use numpy.flatnonzero({name})")
    if rows.ndim == 2:
        raise ValueError(f"{expected}, not a table: the vectors themselves are rows of embeddings")
    if rows.ndim != 1 or not np.issubdtype(rows.dtype, np.integer):
        raise ValueError(f"{expected}, not {_described(values)}")
    if rows.min() < 0 or rows.max() >= count:
        invalid = next(int(row) for row in rows if not 0 <= row < count)
        raise ValueError(f"{expected}, not {invalid}")
    return rows.astype(np.intp)


def _selection_size(count: int | None, available: int) -> int:
    """Return how many of `available` tasks to select. Raises ValueError if `count` is not None or a whole number."""
    import numpy as np

    if count is None:
        return available
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 0:
        raise ValueError(f"count must be how many tasks to choose, or None for all, not {_described(count)}")
    return min(int(count), available)


def _described(value: object) -> str:
    """Return type and shortened text of a value, for an error message."""
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:60] + '…'}"


def _squares(rows: "Floats", other_rows: "Floats") -> "Floats":
    """Return the squared Euclidean distance of each row of `rows` to each row of `other_rows`."""
    import numpy as np

    products = rows @ other_rows.T
    products *= -2
    products += (rows**2).sum(axis=1)[:, None]
    products += (other_rows**2).sum(axis=1)
    squares: Floats = np.maximum(products, 0, out=products)
    return squares
