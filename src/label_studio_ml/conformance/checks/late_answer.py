"""The finding about an answer that arrived as a whole after the time limit of its call."""

from label_studio_ml.conformance.answer import Answer
from label_studio_ml.conformance.outcome import Finding, Severity


def late_answer(answer: Answer) -> list[Finding]:
    """Return the finding about an answer that took longer than its limit; empty if it was in time.

    Label Studio's limits are for a connection and for the time between two reads, and of a GET for each of three tries.
    """
    if answer.failure or answer.seconds <= answer.limit:
        return []
    return [
        Finding(
            Severity.WARN,
            answer.call,
            str(answer),
            f"the whole answer within {answer.limit:g} s",
            "Label Studio waits so long, and with it whoever opens the page",
            "Answer sooner, in one piece with a Content-Length",
        )
    ]
