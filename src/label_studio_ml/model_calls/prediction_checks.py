"""What becomes of the predictions that Label Studio could not show: they are refused, repaired, or sent and counted."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from label_studio_ml.config.setting_values import InvalidPredictions
from label_studio_ml.protocol.prediction_json import InvalidPrediction
from label_studio_ml.protocol.task_ids import text_of
from label_studio_ml.validation.finding import LISTED, Finding, described, listed
from label_studio_ml.validation.region_checks import INVALID, RegionChecks
from label_studio_ml.validation.repair import repaired
from label_studio_ml.validation.strict_checks import StrictChecks, prediction_findings

logger = logging.getLogger(__name__)

#: The most kinds of findings that are logged.
_MOST_KINDS = 100
#: The most tasks whose ids are kept for a kind.
_MOST_TASKS = 5


Json = dict[str, Any]


class Refused(InvalidPrediction):
    """The prediction is not sent, because of its findings."""

    def __init__(self, findings: Sequence[Finding], *, with_fixes: bool = False) -> None:
        super().__init__(f"{INVALID}: {listed(findings, with_fixes=with_fixes)}")


class Tally:
    """Findings of the predictions of one request.

    `kinds` maps each kind to the number of predictions that have it; `repaired` counts the predictions that were
    changed. `details` has what to do about a kind, and the ids of the first tasks with it.
    """

    def __init__(self) -> None:
        self.kinds: dict[str, int] = {}
        self.details: dict[str, tuple[str, list[str]]] = {}
        self.repaired = 0

    def add(self, findings: Sequence[Finding], task: Json) -> None:
        """Count the kinds of the findings of one prediction, each once."""
        for kind, fix in {finding.kind: finding.fix for finding in findings}.items():
            self.kinds[kind] = self.kinds.get(kind, 0) + 1
            _, ids = self.details.setdefault(kind, (fix, []))
            if len(ids) < _MOST_TASKS and (task_id := text_of(task.get("id"))):
                ids.append(task_id)


class PredictionChecks:
    """The checks for one loaded model, and what `mode` says to do. Each kind of finding is logged once.

    A score of the prediction itself that is not between 0 and 1 is a warning, like regions that reach out of a picture.
    """

    def __init__(self, label_config: str | None, mode: InvalidPredictions) -> None:
        self._checks = RegionChecks(label_config)
        self._mode = mode
        is_strict = mode is InvalidPredictions.ERROR
        self._strict = StrictChecks(label_config, self._checks) if is_strict else None
        self._logged: set[str] = set()

    def pass_quickly(
        self, predictions: Sequence[Any], tasks: Sequence[Mapping[str, Any]], *, interactive: bool
    ) -> bool:
        """Tell whether all predictions, with scores from 0 to 1, can be sent as `predict` returned them."""
        if self._strict is not None:
            return False
        try:
            return not any(
                any(type(region) is not dict for region in prediction["result"])
                or self._checks.findings(prediction["result"], interactive=interactive, task=task)
                for prediction, task in zip(predictions, tasks, strict=True)
            )
        except Exception:  # noqa: BLE001 - objects of user code may raise anything; their JSON is checked then
            return False

    def apply(self, body: bytes, task: Json, tally: Tally, *, interactive: bool) -> bytes:
        """Return an encoded prediction (or several) as it is to be sent, and count what was found in it.

        Raises Refused if it is not to be sent.
        """
        try:
            decoded = msgspec.json.decode(body)
        except RecursionError:  # nested too deeply to be checked
            return body
        is_changed = False
        for prediction in decoded if isinstance(decoded, list) else [decoded]:
            is_changed = self._apply_to(prediction, task, tally, interactive=interactive) or is_changed
        if not is_changed:
            return body
        tally.repaired += 1
        return msgspec.json.encode(decoded)

    def _apply_to(self, prediction: Json, task: Json, tally: Tally, *, interactive: bool) -> bool:
        """Check one decoded prediction; repair it in place, or raise Refused; return whether it was changed."""
        findings = self._findings(prediction, task, interactive=interactive)
        if not findings:
            return False
        fault = next((finding for finding in findings if finding.is_fault), None)
        if self._mode is InvalidPredictions.ERROR:
            tally.add(findings, task)
            self._log_all(findings, task)
            raise Refused(findings, with_fixes=True)
        if self._mode is InvalidPredictions.REFUSE and fault is not None:
            tally.add([fault], task)
            self._log([fault], task, "It is not sent")
            raise Refused([fault])
        tally.add(findings, task)
        if self._mode is not InvalidPredictions.REPAIR:
            self._log(findings, task, "It is sent nevertheless")
            return False
        return self._repair(prediction, findings, task, interactive=interactive)

    def _repair(self, prediction: Json, findings: list[Finding], task: Json, *, interactive: bool) -> bool:
        """Repair a prediction in place; return whether it was changed. Raises Refused if nothing of it is left."""
        regions = prediction["result"]
        kept = repaired(self._checks, regions, findings, interactive=interactive, task=task)
        if not kept:
            self._log(findings, task, "Nothing of it can be shown, so it is not sent")
            raise Refused(findings[:1])
        is_changed = len(kept) != len(regions) or any(
            new is not old for new, old in zip(kept, regions, strict=True)
        )
        for finding in findings:
            is_repaired = finding.is_fault or finding.problem.repair is not None
            self._log([finding], task, "It is sent repaired" if is_repaired else "It is sent nevertheless")
        prediction["result"] = kept
        return is_changed

    def _findings(self, prediction: Json, task: Json, *, interactive: bool) -> list[Finding]:
        if self._strict is not None:
            return self._strict.findings(prediction, task, interactive=interactive)
        return prediction_findings(self._checks, prediction, task, interactive=interactive)

    def _log(self, findings: Sequence[Finding], task: Json, outcome: str) -> None:
        """Log findings, once for each kind."""
        for finding in findings:
            if finding.kind in self._logged or len(self._logged) >= _MOST_KINDS:
                continue
            self._logged.add(finding.kind)
            logger.log(
                logging.ERROR if finding.is_fault else logging.WARNING,
                "Task %s: %s%s. %s; this is logged once",
                task.get("id"),
                f"{INVALID}: " if finding.is_fault else "",
                described(finding),
                outcome,
            )

    def _log_all(self, findings: Sequence[Finding], task: Json) -> None:
        for finding in findings[:LISTED]:
            logger.error("Task %s: %s: %s. It is not sent", task.get("id"), INVALID, described(finding))
