"""How many labels a digit recogniser needs for 90 % accuracy: in the order of its uncertainty against random order.

    pip install 'label-studio-ml[active]' matplotlib
    python examples/active_learning/curve.py [--seeds 8] [--plot docs/active-learning.svg]

Both orders train the same model (an RBF support-vector machine on pixels) after every 5 labels and are measured on the
same 600 images that are never labelled. Random order begins with 10 random images, the other one with 10 typical ones
(`active.typical`), and goes on with those of the smallest margin (`active.margin`).
"""

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from label_studio_ml.active import diverse, margin, typical

FIRST, STEP, MOST, GOAL = 10, 5, 150, 0.9
ORDERS = ("random", "margin", "diverse")


def probabilities(model: SVC, images: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return class probabilities as the model's votes weigh them."""
    votes = model.decision_function(images)
    if votes.ndim == 1:
        votes = np.stack([-votes, votes], axis=1)
    weights = np.exp(votes - votes.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def curve(order: str, seed: int) -> list[tuple[int, float]]:
    """Return the accuracy after each number of labels."""
    images, digits = load_digits(return_X_y=True)
    split = train_test_split(images / 16, digits, test_size=600, stratify=digits, random_state=seed)
    pool, test, truth, test_truth = split
    at_random = np.random.RandomState(seed).permutation(len(pool))
    embeddings = PCA(30, random_state=0).fit_transform(pool)
    first = {
        "random": lambda: at_random[:FIRST],
        "margin": lambda: typical(embeddings, count=FIRST),
        "diverse": lambda: diverse(embeddings, count=FIRST),
    }
    labelled = list(first[order]())
    points = []
    while True:
        model = SVC(C=10, gamma="scale").fit(pool[labelled], truth[labelled])
        points.append((len(labelled), float(np.mean(model.predict(test) == test_truth))))
        if len(labelled) >= MOST:
            return points
        rest = np.array([one for one in at_random if one not in set(labelled)])
        if order == "random":
            chosen = rest[:STEP]
        elif order == "diverse":
            chosen = diverse(embeddings, labelled=labelled, count=STEP)
        else:
            chosen = rest[np.argsort(margin(probabilities(model, pool[rest])), kind="stable")[:STEP]]
        labelled += [int(one) for one in chosen]


def needed(points: list[tuple[int, float]]) -> float:
    """Return after how many labels the goal is reached for the first time."""
    return next((labels for labels, accuracy in points if accuracy >= GOAL), np.inf)


def plot(curves: dict[str, list[list[tuple[int, float]]]], path: Path) -> None:
    """Draw the mean curves, with the range of the seeds."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "digits"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4))
    names = {"random": "random order", "margin": "typical first, then smallest margin", "diverse": "k-center"}
    for order, runs in curves.items():
        labels = [count for count, _ in runs[0]]
        values = np.array([[accuracy for _, accuracy in run] for run in runs])
        (line,) = axes.plot(labels, values.mean(axis=0), label=names[order])
        axes.fill_between(labels, values.min(axis=0), values.max(axis=0), color=line.get_color(), alpha=0.15)
    axes.axhline(GOAL, color="grey", linewidth=0.8, linestyle="--")
    axes.set(xlabel="labels", ylabel="accuracy on 600 other images", ylim=(0.4, 1.0))
    axes.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--orders", default=",".join(ORDERS))
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    curves: dict[str, list[list[tuple[int, float]]]] = {}
    for order in args.orders.split(","):
        curves[order] = [curve(order, seed) for seed in range(args.first, args.first + args.seeds)]
        counts = [needed(points) for points in curves[order]]
        mean = float(np.mean(counts))
        base = float(np.mean([needed(points) for points in curves.get("random", curves[order])]))
        print(
            json.dumps({"order": order, "labels": counts, "mean": mean, "ratio": round(mean / base, 3)}),
            flush=True,
        )
    if args.plot:
        plot(curves, args.plot)


if __name__ == "__main__":
    main()
