"""What the checks of one run share: the backend's calls, the made-up projects, and what earlier checks learned."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from label_studio_ml.conformance.answer import Answer
from label_studio_ml.conformance.outcome import Finding
from label_studio_ml.conformance.sample_events import SampleEvents
from label_studio_ml.conformance.sample_project import SampleProject
from label_studio_ml.conformance.sample_regions import annotated_regions, clicked_regions
from label_studio_ml.conformance.studio_calls import StudioCalls
from label_studio_ml.controls.collection import controls_of
from label_studio_ml.validation.strict_checks import StrictChecks

#: Regions of a prediction that the SDK's validator checks: it takes about 0.2 ms for each of them.
SDK_REGIONS = 1_000


@dataclass
class Trial:
    """One run of the checks.

    `trains` tells whether events that start trainings are sent. `extra_params` is what the user would enter in Label
    Studio's form, None without: each `/setup` has it. `own_tasks` tells whether the tasks are the user's. `health` and
    `setup` are the answers to the first calls. `version` is the one that `/setup` reported, None if it reported none
    that Label Studio can use. `predicts` is False once `/predict` has failed in a way that makes further calls
    pointless. `results` are the predictions for all tasks of the first project; empty before they were asked for.
    `answer_findings` say what is wrong with that answer as a whole.
    """

    calls: StudioCalls
    first: SampleProject
    second: SampleProject
    trains: bool = False
    extra_params: str | None = None
    own_tasks: bool = False
    health: Answer | None = None
    setup: Answer | None = None
    version: str | None = None
    predicts: bool = True
    results: list[Any] = field(default_factory=list)
    answer_findings: list[Finding] = field(default_factory=list)

    def set_up(self, project: SampleProject) -> Answer:
        """Send the `/setup` of a project, as Label Studio does before each prediction that is no click."""
        return self.calls.post("/setup", project.setup(self.extra_params), self.calls.limits.setup)

    @cached_property
    def events(self) -> SampleEvents:
        """The events of the first project."""
        return SampleEvents(self.first)

    @cached_property
    def first_checks(self) -> StrictChecks:
        """The checks of regions for the first project."""
        return StrictChecks(self.first.label_config, sdk_regions=SDK_REGIONS)

    @cached_property
    def second_checks(self) -> StrictChecks:
        """The checks of regions for the second project."""
        return StrictChecks(self.second.label_config, sdk_regions=SDK_REGIONS)

    @cached_property
    def regions(self) -> list[dict[str, Any]]:
        """Regions of the first project, as an annotator would draw them."""
        return annotated_regions(self.first.label_config)

    @cached_property
    def click_context(self) -> dict[str, Any]:
        """The context of an annotator's click in the first project."""
        return {"result": clicked_regions(controls_of(self.first.label_config), self.regions)}

    @cached_property
    def takes_clicks(self) -> bool:
        """Whether the page sends clicks in the first project: a control of it has `smart="true"`."""
        return any(control.is_smart for control in controls_of(self.first.label_config))
