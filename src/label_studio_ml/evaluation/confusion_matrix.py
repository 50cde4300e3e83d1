"""Draw a confusion matrix."""

from pathlib import Path

from label_studio_ml.evaluation.metrics.results import Confusion

#: Largest number of labels for which counts are written into the cells, and the size of a cell in inches.
_MAX_LABELS_WITH_COUNTS = 30
_CELL_INCHES = 0.45


def draw(confusion: Confusion, title: str, path: Path) -> None:
    """Write a PNG of the matrix: annotated labels as rows, predicted ones as columns; the shade is the row's share."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = len(confusion.labels)
    side = min(max(4.0, 2.0 + _CELL_INCHES * count), 40.0)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.add_subplot()
    shares = [[cell / max(sum(row), 1) for cell in row] for row in confusion.matrix]
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    axes.set_xticks(range(count), confusion.labels, rotation=90)
    axes.set_yticks(range(count), confusion.labels)
    axes.set_xlabel("predicted")
    axes.set_ylabel("annotated")
    axes.set_title(title)
    if count <= _MAX_LABELS_WITH_COUNTS:
        for row, cells in enumerate(confusion.matrix):
            for column, cell in enumerate(cells):
                shade = "white" if shares[row][column] > 0.5 else "black"
                axes.text(column, row, str(cell), ha="center", va="center", color=shade, fontsize=8)
    FigureCanvasAgg(figure).print_png(path)
