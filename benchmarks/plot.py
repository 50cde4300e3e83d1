"""Draw docs/benchmarks.svg from results.json: (a) and (b) as shares of the floor and of the ceiling."""

import json

import matplotlib as mpl
from harness.paths import ROOT
from harness.report import FIGURES

mpl.use("svg")
mpl.rcParams.update({"svg.hashsalt": "label-studio-ml", "svg.fonttype": "none"})

from matplotlib import pyplot as plt  # noqa: E402 (after the choice of the backend)

OURS = "label-studio-ml (this)"


def main() -> None:
    """Draw what there is."""
    known = json.loads(FIGURES.read_text())
    panels = []
    if "a" in known:
        figures = known["a"]["figures"]
        for shape, title in (
            ("1x32", "Dummy model, 1 task"),
            ("100x32", "Dummy model, 100 tasks"),
        ):
            floor = figures[f"bare ASGI app|{shape}"]
            names = ("label-studio-ml 1.0.9", "LitServe", OURS)
            panels.append(
                (title, "of a bare ASGI app", {name: figures[f"{name}|{shape}"] / floor for name in names})
            )
    if "b" in known:
        figures = known["b"]["figures"]
        top = figures["the model alone"]
        names = ("LitServe", OURS)
        panels.append(("MiniLM, 1 task", "of the model alone", {n: figures[n] / top for n in names}))
    if not panels:
        return
    drawing, axes = plt.subplots(len(panels), 1, figsize=(7, 1.1 + 1.1 * len(panels)), squeeze=False)
    for axis, (title, what, shares) in zip(axes[:, 0], panels, strict=True):
        colours = ["#e4572e" if name == OURS else "#9aa5b1" for name in shares]
        bars = axis.barh(list(shares), list(shares.values()), color=colours)
        axis.bar_label(bars, [f"{share:.2f}" for share in shares.values()], padding=3)
        axis.axvline(1, color="#52606d", linewidth=1, linestyle=":")
        axis.set_title(f"{title} a request, 32 connections: requests/s, share {what}", fontsize=9, loc="left")
        axis.set_xlim(0, max(1.15, *shares.values()) * 1.05)
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    drawing.tight_layout()
    drawing.savefig(ROOT / "docs" / "benchmarks.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
