"""Which tasks to label next: scores from class probabilities, orders from embeddings.

Every score is a *certainty* from 0 to 1: the task with the lowest score is to be labelled first. That is how Label
Studio's free edition orders by prediction score, ascending in the Data Manager and in "Uncertainty sampling".
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Numbers = NDArray[np.intp]


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
    extra `active` (scikit-activeml). Raises ValueError when `embeddings` is no table of finite numbers.
    """
    return _chosen("CoreSet", embeddings, labelled, count)


def typical(embeddings: "ArrayLike", *, labelled: "ArrayLike" = (), count: int | None = None) -> "Numbers":
    """Return which tasks to label, the first one first, that stand for many others: for the very first labels.

    The tasks are grouped into as many clusters as there will be labels; the densest place of each of the largest
    clusters without a label is chosen. Arguments as for `diverse`.
    """
    return _chosen("TypiClust", embeddings, labelled, count)


def scores(order: "ArrayLike", tasks: int) -> "Floats":
    """Return a score for each of `tasks` tasks from the `order` in which they are to be labelled.

    The first one gets the lowest score. Tasks that are not in `order` get NaN: no score.
    """
    import numpy as np

    places = np.asarray(order, dtype=int)
    found = np.full(tasks, np.nan)
    found[places] = (np.arange(len(places)) + 1) / (len(places) + 1)
    return found


def _table(values: "ArrayLike") -> "Floats":
    import numpy as np

    table = np.asarray(values, dtype=float)
    if table.ndim != 2 or not table.shape[1]:
        raise ValueError(f"probabilities must be a table of tasks and classes, not of shape {table.shape}")
    if not np.isfinite(table).all() or (table < 0).any():
        raise ValueError("probabilities must be finite and not below 0")
    sums = table.sum(axis=1, keepdims=True)
    scaled: Floats = np.divide(table, sums, out=np.full_like(table, 1 / table.shape[1]), where=sums > 0)
    return scaled


def _chosen(strategy: str, embeddings: "ArrayLike", labelled: "ArrayLike", count: int | None) -> "Numbers":
    """Ask a query strategy of scikit-activeml."""
    import numpy as np

    try:
        from skactiveml import pool
    except ImportError:
        raise ImportError(
            "scikit-activeml is not installed: pip install 'label-studio-ml[active]'", name="skactiveml"
        ) from None

    table = np.asarray(embeddings, dtype=float)
    if table.ndim != 2 or not table.shape[1] or not np.isfinite(table).all():
        raise ValueError("embeddings must be a table of tasks and finite numbers")
    known = np.asarray(labelled, dtype=int)
    free = len(table) - len(set(known.tolist()))
    wanted = min(free, free if count is None else count)
    if wanted < 1:
        return np.empty(0, dtype=np.intp)
    labels: Any = np.full(len(table), np.nan)
    labels[known] = 0
    query = getattr(pool, strategy)(missing_label=np.nan, random_state=0)
    found: Numbers = np.asarray(query.query(table, labels, batch_size=wanted), dtype=np.intp)
    return found
