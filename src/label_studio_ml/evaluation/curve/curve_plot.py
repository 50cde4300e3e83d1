"""Draw a learning curve."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from label_studio_ml.errors import SettingsError
from label_studio_ml.evaluation.curve.forecast import CONFIDENCE, Forecast
from label_studio_ml.evaluation.curve.learning_curve import LearningCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Endings of the files that can be written.
FORMATS = (".svg", ".png")
#: Most controls that are drawn, and the size of each one's plot in inches.
_MAX_PLOTS = 6
_WIDTH, _HEIGHT = 6.4, 4.0
_BLUE, _GREY = "#1f5fa8", "#777777"


def require_format(path: Path) -> None:
    """Raise SettingsError if a plot cannot be written to a file of this name."""
    if path.suffix.lower() not in FORMATS:
        raise SettingsError(
            f"{path} does not end in {' or '.join(FORMATS)}",
            fix=f"Name it {path.with_suffix('.svg').name}, for example",
            field="--plot",
        )


def draw(curve: LearningCurve, path: Path) -> None:
    """Write the plots of the curve's first forecasts, at least one, to `path`, an SVG or PNG file, one below the other.

    Raises SettingsError if the file cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    forecasts = curve.forecasts[:_MAX_PLOTS]
    figure = Figure(figsize=(_WIDTH, _HEIGHT * len(forecasts)), layout="constrained")
    axes = figure.subplots(len(forecasts), squeeze=False)
    for number, forecast in enumerate(forecasts):
        _draw(axes[number][0], forecast, curve)
    # With a fixed salt and no date, the same figures give the same file.
    metadata: dict[str, Any] = {"Date": None} if path.suffix.lower() == ".svg" else {}
    try:
        with mpl.rc_context({"svg.hashsalt": "learning-curve", "svg.fonttype": "none"}):
            figure.savefig(path, metadata=metadata)
    except OSError as error:
        raise SettingsError(
            f"The plot cannot be written to {path}: {error}",
            fix="Name another file with --plot",
            field="--plot",
        ) from error


def _draw(axes: "Axes", forecast: Forecast, curve: LearningCurve) -> None:
    tasks = [point.tasks for point in forecast.points]
    means = [point.mean for point in forecast.points]
    below = [point.mean - point.low if point.low is not None else 0.0 for point in forecast.points]
    above = [point.high - point.mean if point.high is not None else 0.0 for point in forecast.points]
    axes.errorbar(
        tasks,
        means,
        yerr=[below, above],
        fmt="o",
        color=_BLUE,
        capsize=3,
        label="measured, mean of the folds",
    )
    if forecast.curve:
        numbers = [estimate.tasks for estimate in forecast.curve]
        axes.plot(
            numbers, [estimate.value for estimate in forecast.curve], color=_BLUE, label=forecast.laws[0]
        )
        axes.fill_between(
            numbers,
            [estimate.low for estimate in forecast.curve],
            [estimate.high for estimate in forecast.curve],
            color=_BLUE,
            alpha=0.15,
            linewidth=0,
            label=f"{CONFIDENCE:.0%} interval",
        )
        axes.axvline(curve.tasks, color=_GREY, linestyle=":", label=f"{curve.tasks} labelled now")
    axes.set_xlabel("tasks trained on")
    axes.set_ylabel(forecast.metric)
    axes.set_title(forecast.control)
    axes.grid(alpha=0.3)
    axes.legend()
