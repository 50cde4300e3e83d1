"""Divide tasks into folds and growing parts such that labels are spread evenly and groups stay together."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

#: A control's name and one of its labels.
ControlLabel = tuple[str, str]


@dataclass(frozen=True, slots=True)
class PoolTask:
    """A task at a `position` of a file. Tasks of one `stratum` have the same labels; a `group` stays in one fold.

    `labels` has the labels of all its annotations.
    """

    position: int
    stratum: str
    group: str
    labels: frozenset[ControlLabel] = frozenset()


def folds(tasks: Sequence[PoolTask], count: int, seed: int) -> list[list[int]]:
    """Return the positions of `tasks` in `count` folds of about equal size, each with about the same labels.

    No group is in two folds. If there are fewer than `count` groups, some folds are empty.
    """
    parts: list[list[int]] = [[] for _ in range(count)]
    in_stratum: list[Counter[str]] = [Counter() for _ in range(count)]
    order = random.Random(f"folds {seed}")  # noqa: S311 (not for security)
    groups = [group for of_stratum in _by_stratum(tasks, order) for group in of_stratum]
    # Large groups first: the small ones then even out the sizes.
    for group in sorted(groups, key=len, reverse=True):
        stratum = group[0].stratum
        number = min(range(count), key=lambda fold: (in_stratum[fold][stratum], len(parts[fold]), fold))
        parts[number] += [task.position for task in group]
        in_stratum[number][stratum] += len(group)
    return [sorted(part) for part in parts]


def growing_order(tasks: Sequence[PoolTask], seed: int) -> list[int]:
    """Return the positions of `tasks` in an order of which each beginning has about the labels of all of them."""
    order = random.Random(f"growing {seed}")  # noqa: S311 (not for security)
    ranked: list[tuple[float, int, int]] = []
    for number, groups in enumerate(_by_stratum(tasks, order)):
        positions = [task.position for group in groups for task in group]
        offset = order.random()
        ranked += [
            ((place + offset) / len(positions), number, position) for place, position in enumerate(positions)
        ]
    return [position for _, _, position in sorted(ranked)]


def _by_stratum(tasks: Sequence[PoolTask], order: random.Random) -> list[list[list[PoolTask]]]:
    """Return the groups of each stratum in random order. The stratum of a group is that of its first task."""
    groups: dict[str, list[PoolTask]] = {}
    for task in tasks:
        groups.setdefault(task.group, []).append(task)
    strata: dict[str, list[list[PoolTask]]] = {}
    for group in groups.values():
        strata.setdefault(group[0].stratum, []).append(group)
    for of_stratum in strata.values():
        order.shuffle(of_stratum)
    return [strata[name] for name in sorted(strata)]
