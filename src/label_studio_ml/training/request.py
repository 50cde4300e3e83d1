"""What a worker asks of a run's process, and what it answers."""

from collections.abc import Iterator
from typing import Any

import msgspec

from label_studio_ml.adapter import ModelSpec, studio_login, studio_private
from label_studio_ml.code_identity import CodeIdentity
from label_studio_ml.errors import StudioAuthError, StudioError
from label_studio_ml.gate import Comparison
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.settings import Settings
from label_studio_ml.studio.client import StudioClient
from label_studio_ml.training.job import PreviousVersion
from label_studio_ml.training.mailbox import StoredEvent
from label_studio_ml.training.policy import Policy, Tally


class RunRequest(msgspec.Struct, frozen=True):
    """What to train: the model as it is served now, the events, and where results go.

    The events are in the list or in `events_file`; not `whole` if those were left out that a fit of the seed
    generation does not need. `delivered` is a file of labelled tasks that webhooks brought; both files have one JSON
    object a line. `previous` is the version that the run starts from. `progress` is the file that says how far a run
    over single events got. With `tally`, a run that is not due at the time `now` (ms) is refused. `code` is what the
    run's process imports: it fills that in itself.
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
    """What came of a run.

    `error` is empty if every fit came back; with `changed` it tells of the events that failed beside others that did
    not. `changed` tells whether there is something to publish; `version` is the name that the user's code gave it, if
    it did; `served` the name that was served until now; `state` the key/value pairs that it set; `metrics` the last
    value of each number that the run logged; `previous_metrics` the numbers that it logged of the version before,
    `comparison` what both versions have on the same tasks, None where nothing was compared. `promote_if` and
    `keep_versions` are the class's, `code` is what ran. `message` says why there is nothing to publish.

    `last` is the id of the last event that it is the outcome of, empty for all of them; with it, `error` says why the
    run went no further. `passing` tells that the cause of `error` may pass: the other events are to be tried again
    later. `stuck` tells that it will not, and that the events would be lost. `postponed` says why the run was not due;
    `policy` when the class wants to be trained; `labelled` how many labelled tasks were counted for that, -1 for none.
    `refused` says why Label Studio's annotations could not be had, also where the run was trained on others then.
    """

    error: str = ""
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
    """Return what Label Studio said if that is why an error was raised: it refused the token. Else nothing."""
    while error is not None:
        if isinstance(error, StudioAuthError):
            return str(error)
        error = error.__cause__
    return ""


def client_of(request: RunRequest, settings: Settings) -> StudioClient:
    """Return the API of the Label Studio that a run's project is at. Raises StudioError if that is not known."""
    url, token = studio_login(request.spec.project, settings)
    if not url or not token:
        raise StudioError(
            "it is not known where Label Studio is",
            fix="Add this backend to a project in Label Studio, or set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY",
        )
    private = studio_private(request.spec.project, settings)
    return StudioClient(url, token, verify_tls=settings.studio_verify_tls, private=private)
