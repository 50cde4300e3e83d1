"""The calls of the view Versions, and the value of its topic."""

from typing import Literal, NotRequired, TypedDict

from label_studio_ml import errors
from label_studio_ml.dashboard.session_calls import TAG
from label_studio_ml.dashboard.versions.metric_directions import Direction, Verdict
from label_studio_ml.dashboard.versions.report_answer import ReportAnswer
from label_studio_ml.openapi.declarations.document import Problem
from label_studio_ml.openapi.declarations.operation import (
    BYTES,
    DOWNLOAD,
    Access,
    Answer,
    Body,
    Operation,
    Parameter,
)
from label_studio_ml.versions.listing import VersionState
from label_studio_ml.web.security.page_paths import API

_Number = int | float | None


class VersionProject(TypedDict):
    """The project of versions."""

    uid: str
    number: str
    title: str
    hostname: str


class VersionRow(TypedDict):
    """A version, as in `Entry`."""

    id: str
    name: str
    state: VersionState
    note: str
    pinned: bool
    created: str
    annotations: int | None
    source: str
    metrics: dict[str, _Number]
    parent: str
    job: str
    size: int
    comparison: str
    code: str
    code_differs: list[str]


class MetricDifference(TypedDict):
    """The difference of a metric from that of another version, and the verdict on it."""

    by: float
    verdict: Verdict


class ListedVersion(VersionRow):
    """A version with its differences from its parent; `evaluated`: there is a report on it."""

    differences: dict[str, MetricDifference]
    evaluated: bool


class ServedVersion(TypedDict):
    """A version, by id and name."""

    id: str
    name: str


class Decision(TypedDict):
    """The served version, null for the untrained model. `rollback` is the version that a rollback leads to.

    `pinned_by_setting` is the version that a setting pins; `problem` says why the choice cannot be read.
    """

    served: ServedVersion | None
    pinned: bool
    rollback: str
    pinned_by_setting: str
    problem: str | None


class MetricColumn(TypedDict):
    """A metric of the list; `direction` tells whether more of it is better."""

    name: str
    direction: Direction


class VersionListAnswer(Decision):
    """A page of versions from number `offset` on: `total` fit the search, `all` exist."""

    project: VersionProject
    total: int
    all: int
    offset: int
    metrics: list[MetricColumn]
    versions: list[ListedVersion]


class VersionDecision(TypedDict):
    """Why a version is served or not: the refusal of the metric gate, a person's choice, a failure to load."""

    refusal: str
    promoted: bool
    chosen_at: str
    failure: str


class VersionTraining(TypedDict):
    """What a version was trained on; numbers are null if they are not known, sizes are in bytes."""

    annotations: int | None
    source: str
    events: int
    held_out: int | None
    snapshot_size: int | None
    job: str


class Ancestor(TypedDict):
    """A version that a version was trained from; `exists` is false if it was deleted."""

    id: str
    name: str
    exists: bool


class VersionComparison(TypedDict):
    """The comparison with the version before, as in `Comparison`, and as text."""

    version: str
    tasks: int
    new: dict[str, _Number]
    previous: dict[str, _Number]
    unfair: str
    text: str


class StoredKey(TypedDict):
    """A key that `fit` set, and the length of its value."""

    key: str
    length: int


class VersionCode(TypedDict):
    """The code that trained a version: its hash, files and packages."""

    hash: str
    files: list[str]
    packages: dict[str, str]


class VersionFile(TypedDict):
    """A file of a version; its size in bytes is null if it is not known."""

    name: str
    size: int | None
    sha256: str


class VersionAnswer(Decision):
    """A version. If `manifest` is false, its manifest cannot be read, and there are no further fields.

    `differences` are from its parent, `output` is what `fit` returned as JSON text.
    """

    project: VersionProject
    version: VersionRow
    manifest: bool
    differences: NotRequired[dict[str, MetricDifference]]
    directions: NotRequired[dict[str, Direction]]
    decision: NotRequired[VersionDecision]
    training: NotRequired[VersionTraining]
    parents: NotRequired[list[Ancestor]]
    children: NotRequired[list[ServedVersion]]
    comparison: NotRequired[VersionComparison | None]
    output: NotRequired[str]
    keys: NotRequired[list[StoredKey]]
    code: NotRequired[VersionCode]
    files: NotRequired[list[VersionFile]]
    file_count: NotRequired[int]
    evaluated: NotRequired[bool]


class EvaluationSummary(TypedDict):
    """When a version was evaluated, on how many tasks, and which."""

    created: str
    used: int
    how: str


class ComparedVersion(VersionRow):
    """A version of a comparison, with its last evaluation."""

    evaluation: EvaluationSummary | None


class MetricRow(TypedDict):
    """A metric of all compared versions, with the differences from the first one."""

    metric: str
    direction: Direction
    values: list[_Number]
    differences: list[MetricDifference | None]


class ComparisonAnswer(TypedDict):
    """Versions side by side: what their fits returned, what evaluations measured, and what to bear in mind."""

    project: VersionProject
    versions: list[ComparedVersion]
    fit: list[MetricRow]
    evaluation: list[MetricRow]
    notes: list[str]


class PromoteVersionBody(TypedDict):
    """The version to serve, by name or id. With `pin`, newer versions do not replace it."""

    version: str
    pin: NotRequired[bool]


class DeleteVersionsBody(TypedDict):
    """1 to 200 names or ids of versions."""

    versions: list[str]


class DecisionAnswer(Decision):
    """It is done, as `done` says in words."""

    status: Literal["ok"]
    done: str


class VersionChanges(TypedDict):
    """What changes when a version is made, promoted or deleted, or fails to load."""

    hint: str
    failed: list[str]
    served: ServedVersion | None


#: The types of the topics' values, by name.
TOPICS = {"versions": VersionChanges}

_PROJECT = Parameter("project", "The project's uid, or its number if that is the only one")
_VERSION = Parameter("version", "Name or id of the version")
_ERRORS = (errors.UnknownProject, errors.UnknownVersion, errors.VersionError, errors.StoreError)
_CHOICE_ERRORS = (*_ERRORS, errors.DecisionError)
_BASE = f"{API}versions/{{project}}"

LIST_VERSIONS = Operation(
    method="GET",
    path=_BASE,
    tag=TAG,
    summary="List versions",
    parameters=(
        _PROJECT,
        Parameter("search", "Only versions with this text in name, id, state, parent or job"),
        Parameter("offset", "Number of the first one", int),
        Parameter("limit", "The most versions, 1 to 100", int),
    ),
    answers={200: Answer("Versions", VersionListAnswer)},
    errors=_ERRORS,
    access=Access.SESSION,
)
COMPARE_VERSIONS = Operation(
    method="GET",
    path=f"{API}version-comparison/{{project}}",
    tag=TAG,
    summary="Compare versions",
    parameters=(
        _PROJECT,
        Parameter("versions", "2 to 4 names or ids, separated by commas", required=True),
    ),
    answers={200: Answer("The comparison", ComparisonAnswer)},
    errors=_ERRORS,
    access=Access.SESSION,
)
VERSION = Operation(
    method="GET",
    path=f"{_BASE}/{{version}}",
    tag=TAG,
    summary="Show a version",
    parameters=(_PROJECT, _VERSION),
    answers={200: Answer("The version", VersionAnswer)},
    errors=_ERRORS,
    access=Access.SESSION,
)
ARCHIVE = Operation(
    method="GET",
    path=f"{_BASE}/{{version}}/archive",
    tag=TAG,
    summary="Download a version",
    parameters=(_PROJECT, _VERSION),
    answers={
        200: Answer("The archive, as `label-studio-ml export` writes it", content=BYTES, headers=DOWNLOAD),
        501: Answer("This server, a WSGI server, sends no archives", Problem),
    },
    errors=(*_ERRORS, errors.ReadOnlyLogin),
    access=Access.SESSION,
)
EVALUATION = Operation(
    method="GET",
    path=f"{_BASE}/{{version}}/evaluation",
    tag=TAG,
    summary="Read the newest evaluation of a version",
    parameters=(_PROJECT, _VERSION),
    answers={200: Answer("The evaluation", ReportAnswer)},
    errors=_ERRORS,
    access=Access.SESSION,
)
PROMOTE_VERSION = Operation(
    method="POST",
    path=f"{_BASE}/promote",
    tag=TAG,
    summary="Serve a version",
    parameters=(_PROJECT,),
    body=Body(PromoteVersionBody),
    answers={200: Answer("It is served within a second", DecisionAnswer)},
    errors=_CHOICE_ERRORS,
    access=Access.SESSION,
)
ROLL_BACK = Operation(
    method="POST",
    path=f"{_BASE}/rollback",
    tag=TAG,
    summary="Serve the version before the served one",
    parameters=(_PROJECT,),
    answers={200: Answer("It is served within a second", DecisionAnswer)},
    errors=_CHOICE_ERRORS,
    access=Access.SESSION,
)
UNPIN_VERSION = Operation(
    method="POST",
    path=f"{_BASE}/unpin",
    tag=TAG,
    summary="Let newer versions replace a pinned one",
    parameters=(_PROJECT,),
    answers={200: Answer("It is done", DecisionAnswer)},
    errors=_CHOICE_ERRORS,
    access=Access.SESSION,
)
DELETE_VERSIONS = Operation(
    method="POST",
    path=f"{_BASE}/delete",
    tag=TAG,
    summary="Delete versions",
    parameters=(_PROJECT,),
    body=Body(DeleteVersionsBody),
    answers={200: Answer("They are deleted", DecisionAnswer)},
    errors=_CHOICE_ERRORS,
    access=Access.SESSION,
)
