"""The request that a worker sends to a training process, and the outcome that the process returns."""

from collections.abc import Iterator
from typing import Any

import msgspec

from label_studio_ml.config.metric_gate import Comparison
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import StudioAuthError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_calls.adapter import ModelSpec
from label_studio_ml.model_calls.project_login import studio_arguments
from label_studio_ml.studio.client import StudioClient
from label_studio_ml.support.causes import causes
from label_studio_ml.training.job import PreviousVersion
from label_studio_ml.training.policy import Policy, Tally
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.user_code.code_identity import CodeIdentity


class RunRequest(msgspec.Struct, frozen=True):
    """A request for a run: the served model, the events, and the folder for the new version's files.

    The events are those of the list and of `events_file`; `whole` is False if events that a fit of the seed generation
    does not need were left out. `delivered` is a file of labelled tasks that webhooks delivered; both files have one
    JSON object per line. `previous` is the version that the run starts from, None for the first run. `progress` is the
    path of the progress file of a run over single events, empty for none. `tally` are the totals of the events: with
    them, the training process refuses a run that is not due at the time `now` in ms. `code` is the identity of the
    code; the training process sets it.
    """

    job: str
    spec: ModelSpec
    events: list[StoredEvent]
    workdir: str
    delivered: str = ""
    previous: PreviousVersion | None = None
    events_file: str = ""
    whole: bool = True
    progress: str = ""
    tally: Tally | None = None
    now: int = 0
    code: CodeIdentity = CodeIdentity()

    def all_events(self) -> Iterator[StoredEvent]:
        """Yield the events, oldest first."""
        yield from self.events
        if self.events_file:
            with open(self.events_file, "rb") as lines:
                for line in lines:
                    yield msgspec.json.decode(line, type=StoredEvent)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a run.

    `error` is empty if no fit failed, `error_code` is its code; with `changed`, it reports failed events of a run in
    which others succeeded. `changed` tells whether there is a version to publish; `message` says why there is none.
    `version` is the name that fit set, empty if it set none; `served` the name of the version served until now; `state`
    the key/value pairs that fit set. `metrics` are the last logged values; `previous_metrics` those logged for the
    previous version; `comparison` has the metrics of both on the same tasks, None if nothing was compared.
    `annotations` is the number of labelled tasks, -1 if it does not apply; `source` says where they were read from.
    `promote_if` and `keep_versions` are the attributes of the class, `code` is the identity of the code that ran.

    `last` is the id of the last event that the outcome covers, empty if it covers all; with `last`, `error` says why
    the run ended there. `passing` tells that the cause of `error` may pass, so that the remaining events are tried
    again; `stuck` that it will not, so that the remaining events are set aside. `postponed` says why the run was not
    due; `policy` is the policy of the class; `labelled` the number of labelled tasks counted for the decision, -1 if
    not counted. `refused` says why Label Studio's annotations could not be read, also if the run used other ones.
    """

    error: str = ""
    error_code: str = ""
    trace: str = ""
    changed: bool = False
    version: str = ""
    served: str = ""
    train_output: dict[str, Any] = {}
    state: dict[str, str] = {}
    message: str = ""
    metrics: dict[str, int | float | None] = {}
    previous_metrics: dict[str, int | float | None] = {}
    comparison: Comparison | None = None
    annotations: int = -1
    source: str = ""
    generation: str = ""
    promote_if: str = ""
    keep_versions: int = LabelStudioMLBase.keep_versions
    last: str = ""
    passing: bool = False
    stuck: bool = False
    postponed: str = ""
    policy: Policy | None = None
    labelled: int = -1
    code: CodeIdentity = CodeIdentity()
    refused: str = ""


def refusal(error: BaseException | None) -> str:
    """Return the message of the StudioAuthError (a refused token) that caused an error; empty if another cause did."""
    return next((str(cause) for cause in causes(error) if isinstance(cause, StudioAuthError)), "")


def client_of(request: RunRequest, settings: Settings) -> StudioClient:
    """Return a client of the Label Studio with the run's project. Raises StudioError if URL or token is not known."""
    instead = "add this backend to a project in Label Studio"
    return StudioClient(**studio_arguments(request.spec.project, settings, instead=instead))
