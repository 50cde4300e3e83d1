"""The picture of a learning curve."""

from pathlib import Path

import pytest

from label_studio_ml.errors import SettingsError
from label_studio_ml.evaluation.curve.curve_plot import draw, require_format
from label_studio_ml.evaluation.curve.forecast import forecast
from label_studio_ml.evaluation.curve.learning_curve import LearningCurve

VALUES = {size: {fold: 1 - 2 / size**0.5 + fold / 100 for fold in range(4)} for size in (20, 40, 80, 160)}


def _curve(values: dict[int, dict[int, float]]) -> LearningCurve:
    found = forecast("mood <1>", "accuracy", lower_is_better=False, values=values, labelled=200, labels=50)
    return LearningCurve(
        project="1",
        created="",
        source="",
        tasks=200,
        folds=4,
        seed=0,
        labels=50,
        complete=True,
        forecasts=[found],
        measurements=[],
    )


def test_an_svg_with_its_words_and_the_same_again(tmp_path: Path) -> None:
    draw(_curve(VALUES), tmp_path / "curve.svg")
    text = (tmp_path / "curve.svg").read_text()
    for words in ("mood &lt;1&gt;", "accuracy", "tasks trained on", "power law", "200 labelled now"):
        assert words in text
    draw(_curve(VALUES), tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_text() == text


def test_a_png_also_of_one_measurement(tmp_path: Path) -> None:
    draw(_curve({20: {0: 0.5}}), tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_other_formats_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"does not end in \.svg or \.png"):
        require_format(Path("curve.gif"))
    with pytest.raises(SettingsError, match="cannot be written"):
        draw(_curve(VALUES), tmp_path / "missing" / "curve.svg")
