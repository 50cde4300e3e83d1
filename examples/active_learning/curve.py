"""How many labels a digit recogniser needs for 90 % accuracy: ordered by what they teach, against random order.

    pip install 'label-studio-ml[active]' matplotlib
    python examples/active_learning/curve.py [--seeds 8] [--sets 5] [--classifier svm] [--plot docs/active-learning.svg]

Only the order differs: each trains the same classifier on the same pixels after 10 labels and then after every 5, and
is measured on the same half of the images, which is never labelled. `margin` begins as random order does, since it
needs a model; the others are asked from the first label on.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from digits import FIRST, GOAL, MOST, STEP, digits
from model import features, learned, probabilities
from numpy.typing import NDArray

from label_studio_ml.active import covering, diverse, margin

NAMES = {
    "random": "random order",
    "margin": "smallest margin",
    "diversity": "k-center",
    "coverage": "coverage, by uncertainty",
    "coverage-alone": "coverage alone",
}


class Step(NamedTuple):
    """What was labelled last (places in the pool), how many labels that makes, and the accuracy then."""

    chosen: list[int]
    labels: int
    accuracy: float


def curve(order: str, seed: int, classifier: str = "svm", most: int = MOST, goal: float = 1.0) -> list[Step]:
    """Return the steps until `most` labels, or until `goal` is reached."""
    data = digits(seed)
    labelled: list[int] = []
    steps: list[Step] = []
    machine: Any = None
    while len(labelled) < most and (not steps or steps[-1].accuracy < goal):
        chosen = following(order, data.pool, labelled, machine)
        labelled += chosen
        known = sorted(labelled)
        machine = learned(data.pool[known], data.truth[known], classifier)
        right = machine.predict(features(data.test)) == data.test_truth if machine else np.zeros(1)
        steps.append(Step(chosen, len(labelled), float(np.mean(right))))
    return steps


def following(order: str, pool: NDArray[np.uint8], labelled: Sequence[int], machine: Any) -> list[int]:
    """Return which pictures are labelled next."""
    count = STEP if labelled else FIRST
    rest = np.setdiff1d(np.arange(len(pool)), labelled)
    if order == "random" or (order == "margin" and machine is None):
        chosen = rest[:count]
    elif order == "margin":
        chosen = rest[np.argsort(margin(probabilities(machine, pool[rest])), kind="stable")[:count]]
    elif order == "diversity":
        chosen = diverse(features(pool), labelled=labelled, count=count)
    else:
        told = machine is not None and order == "coverage"
        shares = probabilities(machine, pool) if told else None
        chosen = covering(features(pool), shares, labelled=labelled, count=count)
    return [int(one) for one in chosen]


def needed(steps: Sequence[Step]) -> float:
    """Return after how many labels the goal is reached for the first time."""
    return next((step.labels for step in steps if step.accuracy >= GOAL), np.inf)


def plot(curves: dict[str, list[list[Step]]], path: Path) -> None:
    """Draw the mean curves, with the range of the seeds."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "digits"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4))
    for order, runs in curves.items():
        labels = [step.labels for step in runs[0]]
        values = np.array([[step.accuracy for step in run] for run in runs])
        (line,) = axes.plot(labels, values.mean(axis=0), label=NAMES[order])
        if order in ("random", "coverage"):
            axes.fill_between(
                labels, values.min(axis=0), values.max(axis=0), color=line.get_color(), alpha=0.15
            )
    axes.axhline(GOAL, color="grey", linewidth=0.8, linestyle="--")
    axes.set(xlabel="labels", ylabel="accuracy on the other half", xlim=(FIRST, 150), ylim=(0.4, 1.0))
    axes.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=8, help="seeds in a set")
    parser.add_argument("--sets", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--orders", default=",".join(NAMES))
    parser.add_argument("--classifier", choices=("svm", "logistic"), default="svm")
    parser.add_argument("--plot", type=Path, help="draw the curves of the first set")
    args = parser.parse_args()
    orders = ["random", *(order for order in args.orders.split(",") if order != "random")]
    total: dict[str, list[float]] = {order: [] for order in orders}
    for number in range(args.sets):
        seeds = range(args.first + number * args.seeds, args.first + (number + 1) * args.seeds)
        curves = {}
        for order in orders:
            goal = 1.0 if args.plot and not number else GOAL
            curves[order] = [curve(order, seed, args.classifier, goal=goal) for seed in seeds]
            counts = [needed(steps) for steps in curves[order]]
            total[order] += counts
            said = {"seeds": f"{seeds[0]}-{seeds[-1]}", "order": order, "labels": counts}
            print(json.dumps(said | ratios(counts, total["random"][-args.seeds :])), flush=True)
        if args.plot and not number:
            plot(curves, args.plot)
    if args.sets > 1:
        for order in orders:
            print(json.dumps({"seeds": "all", "order": order} | ratios(total[order], total["random"])))


def ratios(counts: Sequence[float], base: Sequence[float]) -> dict[str, float]:
    """Return mean and median, and both as parts of random order's."""
    mean, median = float(np.mean(counts)), float(np.median(counts))
    return {
        "mean": round(mean, 1),
        "median": median,
        "ratio": round(mean / float(np.mean(base)), 3),
        "ratio_of_medians": round(median / float(np.median(base)), 3),
    }


if __name__ == "__main__":
    main()
