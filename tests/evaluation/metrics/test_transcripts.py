"""Metrics of texts, against values worked out by hand."""

import pytest

from label_studio_ml.evaluation.metrics.transcripts import measure


def test_edits_over_length() -> None:
    # kitten -> sitting: three edits of six characters.
    assert measure([("kitten", "sitting")]).metrics == {"cer": 3 / 6, "wer": 1.0, "accuracy": 0.0}
    # One word is replaced, one is missing.
    assert measure([("a b c d", "a x c")]).metrics["wer"] == 2 / 4


def test_all_texts_together() -> None:
    measured = measure([("one two three", "one two three"), ("four", "fir")])
    assert measured.metrics == pytest.approx({"cer": 2 / 17, "wer": 1 / 4, "accuracy": 1 / 2})


def test_nothing_written() -> None:
    assert measure([("abcd", "")]).metrics == {"cer": 1.0, "wer": 1.0, "accuracy": 0.0}
    assert measure([("", "x")]).metrics == {"cer": None, "wer": None, "accuracy": 0.0}
    assert measure([("", "ab"), ("abcd", "abcd")]).metrics["cer"] == 2 / 4
