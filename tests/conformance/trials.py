"""Trials of fake backends: projects with sample tasks, time limits of tests."""

from collections.abc import Collection

from label_studio_ml import samples
from label_studio_ml.conformance.conform import conform
from label_studio_ml.conformance.first_contact import first_contact
from label_studio_ml.conformance.outcome import Outcome
from label_studio_ml.conformance.sample_project import FIRST_ID, SampleProject
from label_studio_ml.conformance.second_project import second_project
from label_studio_ml.conformance.studio_calls import Limits, StudioCalls
from label_studio_ml.conformance.trial import Trial

from .fake_backend import TEXTS

#: Limits that a busy machine keeps, and limits for answers that never come.
PATIENT = Limits(connect=30, health=30, setup=30, versions=30, predict=30, webhook=30)
IMPATIENT = Limits(connect=5, health=0.3, setup=0.5, versions=0.3, predict=0.5, webhook=0.5)


def project(label_config: str = TEXTS, tasks: int = 8) -> SampleProject:
    """Return a project with sample tasks."""
    data = tuple(task["data"] for task in samples.tasks(label_config, tasks))
    return SampleProject(FIRST_ID, label_config, data, "http://127.0.0.1:1")


def trial_of(
    url: str,
    *,
    label_config: str = TEXTS,
    login: tuple[str, str] | None = None,
    limits: Limits = PATIENT,
    trains: bool = True,
    extra_params: str | None = None,
) -> Trial:
    """Return a trial of the backend at `url`."""
    first = project(label_config)
    calls = StudioCalls(url, login, limits)
    return Trial(calls, first, second_project(first), trains=trains, extra_params=extra_params)


def outcomes_of(trial: Trial, only: Collection[str] = ()) -> dict[str, Outcome]:
    """Make the first calls and the checks; return the outcomes by name."""
    first_contact(trial)
    return {outcome.name: outcome for outcome in conform(trial, only)}
