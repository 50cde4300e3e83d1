"""All that is known to be wrong with a prediction: for tests, and while a model is developed."""

from collections.abc import Mapping
from typing import Any

import msgspec

from label_studio_ml.errors import LabelConfigError, PredictionInvalid
from label_studio_ml.protocol.label_config import parse_label_config
from label_studio_ml.protocol.prediction_json import ODD_SCORES, InvalidPrediction, encode
from label_studio_ml.support import arguments
from label_studio_ml.validation.finding import Finding, Problem, Severity, listed
from label_studio_ml.validation.region_checks import RegionChecks
from label_studio_ml.validation.sdk_validator import SdkValidator


def prediction_findings(
    checks: RegionChecks,
    prediction: Mapping[str, Any],
    task: Mapping[str, Any] | None,
    *,
    interactive: bool = False,
) -> list[Finding]:
    """Return the problems of a prediction's score and regions."""
    score = prediction.get("score") or 0.0
    found = checks.findings(prediction["result"], interactive=interactive, task=task)
    return found if 0 <= score <= 1 else [_score_finding(score), *found]


def _score_finding(score: float) -> Finding:
    detail = f"the score {score:g} is not between 0 and 1, and Label Studio shows it as {100 * score:g} %"
    problem = Problem(ODD_SCORES, "score", "Return a probability", detail, Severity.WARNING)
    return Finding(-1, "", problem)


class StrictChecks:
    """The checks of one label config together with those of the installed SDK.

    The SDK's validator needs a hundred times as long as our own checks. With `sdk_regions`, it gets so many regions of
    a prediction, the first ones; None: all.
    """

    def __init__(
        self, label_config: str | None, checks: RegionChecks | None = None, *, sdk_regions: int | None = None
    ) -> None:
        self.sdk_regions = sdk_regions
        self._checks = RegionChecks(label_config) if checks is None else checks
        self._sdk = SdkValidator(label_config or "", self._checks.controls) if self._checks.controls else None

    def findings(
        self, prediction: Mapping[str, Any], task: Mapping[str, Any] | None, *, interactive: bool = False
    ) -> list[Finding]:
        """Return the problems of a prediction; of each region those of the SDK only if there are no others."""
        findings = prediction_findings(self._checks, prediction, task, interactive=interactive)
        if self._sdk is None:
            return findings
        regions = prediction["result"]
        if self.sdk_regions is not None and len(regions) > self.sdk_regions:
            regions = _first_regions(regions, self.sdk_regions)
        settled = {finding.region for finding in findings}
        if interactive:
            settled |= {number for number, region in enumerate(regions) if self._checks.is_message(region)}
        return findings + [
            finding for finding in self._sdk.findings(regions) if finding.region not in settled
        ]


def _first_regions(regions: list[Any], count: int) -> list[Any]:
    """Return the first `count` entries of a prediction up to its first relation, which may join later regions."""
    first = regions[:count]
    kinds = (region.get("type") if isinstance(region, Mapping) else None for region in first)
    relation = next((number for number, kind in enumerate(kinds) if kind == "relation"), count)
    return first[:relation]


def prediction_problems(
    label_config: str, task: Mapping[str, Any], prediction: Any, *, interactive: bool = False
) -> list[Finding]:
    """Return what Label Studio could not show of a prediction, as a list of findings; empty if it shows all of it.

    `prediction` is what `predict` returns for `task`: a dict with `result`, or one of the SDK's objects. It is checked
    as it is sent, with the same checks as by the server, and by the validator of the installed label-studio-sdk.
    `interactive` is for the answer to a smart tool. Raises LabelConfigError if the label config cannot be read, and
    PredictionInvalid if the prediction cannot be sent at all.
    """
    arguments.text("label_config", label_config, "the label config's XML")
    parse_label_config(label_config)  # raises if it cannot be read
    checks = RegionChecks(label_config)
    if not checks.controls:
        raise LabelConfigError(
            "The label config has no control tags, so that any prediction would do",
            fix="Pass the XML of the project's Labeling Interface settings",
            field="label_config",
        )
    strict = StrictChecks(label_config, checks)
    try:
        decoded = msgspec.json.decode(encode(prediction, "", interactive=interactive))
    except InvalidPrediction as error:
        raise PredictionInvalid(str(error), field="prediction") from None
    several = decoded if isinstance(decoded, list) else [decoded]
    return [finding for one in several for finding in strict.findings(one, task, interactive=interactive)]


def check_prediction(
    label_config: str, task: Mapping[str, Any], prediction: Any, *, interactive: bool = False
) -> None:
    """Raise PredictionInvalid, naming task, regions and fixes, if Label Studio could not show all of a prediction.

    For the tests of a model: `check_prediction(LABEL_CONFIG, task, model.predict([task])[0])`. The arguments are those
    of `prediction_problems`.
    """
    findings = prediction_problems(label_config, task, prediction, interactive=interactive)
    if findings:
        raise PredictionInvalid(
            f"The prediction for task {task.get('id', 'without id')} cannot be shown: {listed(findings)}",
            field=findings[0].field,
        )
