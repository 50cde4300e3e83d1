"""Print a learning curve as tables."""

from collections.abc import Sequence
from pathlib import Path

from label_studio_ml.cli.shared.tables import Column, Row, print_table
from label_studio_ml.cli.streams import say
from label_studio_ml.evaluation.curve.forecast import CONFIDENCE, Forecast, SizePoint, Verdict
from label_studio_ml.evaluation.curve.learning_curve import LearningCurve, mean_seconds
from label_studio_ml.support.texts import plural


def show(curve: LearningCurve, files: Sequence[Path]) -> None:
    """Print the curve and its forecasts, and the names of the `files` that were written."""
    say(
        f"{plural(curve.tasks, 'labelled task')} of project {curve.project} from {curve.source}: "
        f"{plural(len(curve.measurements), 'training')} in {curve.folds} folds"
    )
    if not curve.complete:
        say("Interrupted: this is what was measured until then")
    for note in curve.notes:
        say(f"Note: {note}")
    for forecast in curve.forecasts:
        say("", f"{forecast.control}: {forecast.metric}, {forecast.better} is better")
        print_table(
            [
                Column("TASKS", right=True),
                Column("MEAN", right=True),
                Column(f"{CONFIDENCE:.0%} INTERVAL", right=True),
                Column("FOLDS", right=True),
                Column("TRAINING", right=True),
            ],
            [_row(curve, point) for point in forecast.points],
        )
        say(verdict_text(forecast, curve.tasks, curve.labels))
    say("", f"Written: {', '.join(map(str, files))}")


def _row(curve: LearningCurve, point: SizePoint) -> Row:
    interval = "-" if point.low is None or point.high is None else f"{point.low:.3f} to {point.high:.3f}"
    seconds = mean_seconds(curve, point.tasks)
    return Row(
        (
            str(point.tasks),
            f"{point.mean:.3f}",
            interval,
            str(len(point.values)),
            "-" if seconds is None else f"{seconds:.1f} s",
        )
    )


def verdict_text(forecast: Forecast, tasks: int, labels: int) -> str:
    """Return a sentence on what the next `labels` labels would likely bring, where there are `tasks` labelled ones."""
    label_text = f"the next {plural(labels, 'label')}"
    after, gain, low, high = forecast.after, forecast.gain, forecast.gain_low, forecast.gain_high
    if after is None or gain is None or low is None or high is None or forecast.now is None:
        return f"What {label_text} would bring, the measurements cannot tell: {forecast.reason}"
    numbers = (
        f"{forecast.metric} from {forecast.now.value:.3f} with {tasks} labels to {after.value:.3f} with {after.tasks}, "
        f"better by {gain:.4f} ({CONFIDENCE:.0%} interval {low:.4f} to {high:.4f})"
    )
    if forecast.verdict is Verdict.UNKNOWN:
        return f"What {label_text} would bring, the measurements cannot tell: {forecast.reason}. The fit has {numbers}"
    if forecast.verdict is Verdict.LITTLE:
        return f"{label_text.capitalize()} would bring little: {numbers}"
    return f"{label_text.capitalize()} would likely bring {numbers}"
