"""What differs between the answers of two backends to the same requests."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from runner.session import Prediction, Record, Training

#: Keys of a region whose value is made anew each time, or refers to such a one.
_IDS = ("id", "parentID", "from_id", "to_id", "parent_id", "session_id")

#: A name that is made anew each time.
_GENERATED = re.compile(r"[0-9a-f-]{8,36}")

#: Scores are floats that go through JSON.
_TOLERANCE = 1e-6


@dataclass
class Verdict:
    """The comparison: `differences` are faults, `improvements` are answers that are better on purpose, or no worse."""

    differences: list[str] = field(default_factory=list)
    improvements: list[str] = field(default_factory=list)

    @property
    def same(self) -> bool:
        """Whether nothing differs but for the better."""
        return not self.differences


def compare(reference: Record, ours: Record) -> Verdict:
    """Compare the answers of a backend of ours with the reference's; both must have come to the end."""
    verdict = Verdict()
    if (reference.version, ours.version) == ("INITIAL", "0.0.1"):
        verdict.improvements.append("0.0.1 before a training, as later releases say for fit(event, data)")
    elif reference.version != ours.version:
        verdict.differences.append(f"/setup: {ours.version!r}, not {reference.version!r}")
    for expected, actual in zip(reference.trainings, ours.trainings, strict=True):
        _compare_trainings(expected, actual, verdict)
    only_ours = any(
        (expected.ended, actual.ended) == ("failed", "ok")
        for expected, actual in zip(reference.trainings, ours.trainings, strict=True)
    )
    theirs = {prediction.step: prediction for prediction in reference.predicted}
    for prediction in ours.predicted:
        if not (only_ours and prediction.step.startswith("after")):
            _compare_predictions(theirs[prediction.step], prediction, verdict)
    if not only_ours:
        _compare_versions_after(reference, ours, verdict)
    verdict.differences = list(dict.fromkeys(verdict.differences))
    verdict.improvements = list(dict.fromkeys(verdict.improvements))
    answers = [one.results or [] for one in (*reference.predicted, *ours.predicted)]
    if not any(entry.get("result") for results in answers for entry in _entries(results)):
        verdict.improvements.append("predicts nothing on either")
    return verdict


def _compare_predictions(expected: Prediction, actual: Prediction, verdict: Verdict) -> None:
    if expected.results is None or actual.results is None:
        if expected.results is None and actual.results is not None:
            verdict.improvements.append(
                f"answers /predict {expected.step}, where it was {expected.error[:120]}"
            )
        elif actual.results is None and expected.results is not None:
            verdict.differences.append(f"/predict {actual.step}: {actual.error[:160]}")
        else:
            verdict.improvements.append(f"/predict {actual.step} fails on either: {actual.error[:120]}")
        return
    if not expected.results or not actual.results:
        if any(entry.get("result") for entry in [*_entries(expected.results), *_entries(actual.results)]):
            verdict.differences.append(
                f"/predict {actual.step}: {len(actual.results)} results, not {len(expected.results)}"
            )
        return
    if len(expected.results) != len(actual.results):
        verdict.differences.append(
            f"/predict {actual.step}: {len(actual.results)} results, not {len(expected.results)}"
        )
        return
    for number, (left, right) in enumerate(
        zip(_entries(expected.results), _entries(actual.results), strict=True)
    ):
        if _unsaid(left) and not _unsaid(right):
            verdict.improvements.append("a prediction without a score gets one")
            left = {**left, "score": right["score"]}
        difference = next(_different(_comparable(left), _comparable(right), f"results[{number}]"), "")
        if difference:
            verdict.differences.append(f"/predict {actual.step}: {difference}")
            return


def _entries(results: Any) -> list[dict[str, Any]]:
    """Return the predictions; of a task with several, all."""
    flat: list[dict[str, Any]] = []
    for entry in results:
        flat.extend(entry if isinstance(entry, list) else [entry])
    return [entry for entry in flat if isinstance(entry, dict)]


def _unsaid(entry: Mapping[str, Any]) -> bool:
    """Tell whether a prediction has no score: none, or the SDK's default though its regions have some."""
    regions = any(region.get("score") for region in entry.get("result") or [])
    return entry.get("score") is None or (entry["score"] == 0 and regions)


def _comparable(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return regions and score of a prediction, generated ids by the order in which they come."""
    names: dict[str, str] = {}

    def renamed(value: Any, key: str = "") -> Any:
        if isinstance(value, Mapping):
            return {name: renamed(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [renamed(item) for item in value]
        if key in _IDS and isinstance(value, str):
            return names.setdefault(value, f"id {len(names) + 1}")
        return value

    return {"result": renamed(entry.get("result") or []), "score": entry.get("score")}


def _different(expected: Any, actual: Any, place: str) -> Iterator[str]:
    """Yield where two JSON values differ. A missing field and null are the same."""
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        for key in sorted({*expected, *actual}):
            yield from _different(expected.get(key), actual.get(key), f"{place}.{key}")
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for number, (left, right) in enumerate(zip(expected, actual, strict=True)):
            yield from _different(left, right, f"{place}[{number}]")
    elif isinstance(expected, float) and isinstance(actual, int | float):
        if not math.isclose(expected, actual, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
            yield f"{place} is {actual!r}, not {expected!r}"
    elif expected != actual:
        yield f"{place} is {_short(actual)}, not {_short(expected)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _compare_trainings(expected: Training, actual: Training, verdict: Verdict) -> None:
    """Compare how two trainings ended; whether a fit that decided not to train says so is no difference."""
    if expected.ended == "failed" and actual.ended != "failed":
        verdict.improvements.append(f"trains on {expected.event}, where it failed: {expected.detail[:120]}")
    elif actual.ended == "failed" and expected.ended != "failed":
        verdict.differences.append(f"{actual.event}: the training failed: {actual.detail[:160]}")
    elif actual.ended == "failed":
        verdict.improvements.append(f"the training on {actual.event} fails on either: {actual.detail[:120]}")


def _compare_versions_after(reference: Record, ours: Record, verdict: Verdict) -> None:
    """Compare the names after the trainings: one that `fit` set, or none, must be the same."""
    if reference.version_after == ours.version_after:
        return
    # Release 1.0.9 names a version by the second in which its training began; one example draws a UUID.
    generated = isinstance(reference.version_after, int) or all(
        _GENERATED.fullmatch(str(version)) for version in (reference.version_after, ours.version_after)
    )
    if generated and ours.version_after != ours.version:
        return
    if reference.version_after != reference.version:
        verdict.differences.append(
            f"/setup after the training: {ours.version_after!r}, not {reference.version_after!r}"
        )
    else:
        verdict.improvements.append("a training gives a version with a name of its own")
