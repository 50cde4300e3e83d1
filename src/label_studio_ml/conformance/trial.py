"""What the checks of one run share: the backend's calls, the made-up projects, and what earlier checks learned."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from label_studio_ml.conformance.answer import Answer
from label_studio_ml.conformance.sample_project import SampleProject
from label_studio_ml.conformance.sample_regions import annotated_regions
from label_studio_ml.conformance.studio_calls import StudioCalls
from label_studio_ml.validation.strict_checks import StrictChecks


@dataclass
class Trial:
    """One run of the checks.

    `trains` tells whether events that start trainings are sent. `extra_params` is what the user would enter in Label
    Studio's form, None without. `own_tasks` tells whether the tasks are the user's. `health` and `setup` are the
    answers to the first calls. `version` is the one that `/setup` reported, None if it reported none that Label Studio
    can use. `predicts` is False once `/predict` has failed in a way that makes further calls pointless.
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

    @cached_property
    def first_checks(self) -> StrictChecks:
        """The checks of regions for the first project."""
        return StrictChecks(self.first.label_config)

    @cached_property
    def second_checks(self) -> StrictChecks:
        """The checks of regions for the second project."""
        return StrictChecks(self.second.label_config)

    @cached_property
    def regions(self) -> list[dict[str, Any]]:
        """Regions of the first project, as an annotator would draw them."""
        return annotated_regions(self.first.label_config)
