"""Metrics of written text: transcriptions, translations, corrections."""

from label_studio_ml.evaluation.metrics.results import Measured, number, ratio

#: A task's annotated text and its predicted one.
Pair = tuple[str, str]


def measure(pairs: list[Pair]) -> Measured:
    """Return error rates over all texts together: edits divided by the length of the annotated texts.

    `cer` counts characters, `wer` words; either may exceed 1, and is None when nothing was annotated. `accuracy` is
    the share of texts that are equal.
    """
    import jiwer

    truth, predicted = [reference for reference, _ in pairs], [text for _, text in pairs]
    cer = jiwer.process_characters(truth, predicted).cer if any(truth) else None
    wer = jiwer.process_words(truth, predicted).wer if any(text.split() for text in truth) else None
    equal = sum(reference == text for reference, text in pairs)
    return Measured(
        kind="text",
        tasks=len(pairs),
        metrics={
            "cer": None if cer is None else number(cer),
            "wer": None if wer is None else number(wer),
            "accuracy": ratio(equal, len(pairs)),
        },
    )
