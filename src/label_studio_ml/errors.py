"""All exceptions that this package raises deliberately, in one hierarchy.

    BackendError
    ├── RequestError            the client's request is wrong
    │   ├── BodyTooLarge
    │   ├── WrongContentType
    │   ├── ForeignOrigin
    │   ├── UnknownHost
    │   ├── UnknownProject
    │   ├── UnknownVersion
    │   ├── UnknownJob
    │   ├── JobEnded
    │   ├── ProjectBusy
    │   ├── NotAuthorized
    │   └── ReadOnlyLogin
    ├── SettingsError           an environment variable or a command-line value is wrong
    ├── LabelConfigError        the project's label config cannot be read
    ├── ModelError              the user's model file
    │   ├── ModelFileError      it cannot be found or imported
    │   ├── ModelLoadError      its class cannot be built
    │   │   ├── NoLabelConfig   … and the project has no label config yet
    │   │   └── ParamsError     a parameter that the class declares has a wrong value
    │   ├── PredictError        its predict failed for every task of a request
    │   ├── PredictionInvalid   Label Studio cannot show a prediction
    │   └── FitError            its fit failed
    │       ├── TrainingDataError   … as the annotations are too few
    │       └── TrainingCancelled   … because it was cancelled
    ├── ModelProcessDied        the process that runs the user's code ended
    ├── CallerLeft              the client has closed its connection
    ├── Overloaded              the queue is full; a later request may succeed
    ├── DeadlineExceeded        the answer would come after the client's timeout
    ├── VersionError            a model version cannot be written or read
    │   ├── StaleFence          another worker trained this project meanwhile
    │   ├── DecisionError       the record of the version to serve is unreadable
    │   └── StoreError          the object store of MODEL_DIR is unreachable, or refuses
    ├── Unsupported             a name of an older release that does nothing here
    ├── BrokerError             Redis or Valkey is missing, unreachable or refuses
    │   └── SpoolFull           … and the event spool on the disk is full
    └── StudioError             Label Studio's API cannot be used
        ├── StudioAuthError     it refused the token
        ├── StudioRefusedError  it answered with another error
        ├── StudioUnavailable   it is unreachable, or temporarily failing
        ├── Unsure              it is not known whether it stored something
        └── FileFetchError      a task's file cannot be fetched

No exception knows an HTTP status: `web.error_statuses` maps exceptions to statuses.
"""

from typing import Self


class BackendError(Exception):
    """An error with a one-line message that tells the user what to do.

    `message` says what is wrong; `fix` says what to do about it; `field` names the field, setting or file that is
    wrong, if there is one. `reported`: the error is among those that the dashboard shows already.

    `code` is the class's own and never changes: `label-studio-ml explain CODE` prints its entry in `troubleshooting`.
    """

    code = "LSML-E001"
    reported = False

    def __init__(self, message: str, *, fix: str = "", field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix
        self.field = field

    def __str__(self) -> str:
        """Return message and fix in one line."""
        text = f"{self.message.rstrip('.')}. {self.fix}" if self.fix else self.message
        return " ".join(text.split())


class RequestError(BackendError):
    """The request is wrong; repeating it unchanged fails again."""

    code = "LSML-E100"


class BodyTooLarge(RequestError):
    """The request body is larger than the limit."""

    code = "LSML-E101"


class WrongContentType(RequestError):
    """The Content-Type of the request is not JSON."""

    code = "LSML-E102"


class ForeignOrigin(RequestError):
    """A web page of another site sent the request through a user's browser."""

    code = "LSML-E103"


class UnknownHost(RequestError):
    """The request's Host header names a host that is not one of this server's."""

    code = "LSML-E104"


class UnknownProject(RequestError):
    """The backend has never received a request or event of the project."""

    code = "LSML-E110"


class UnknownVersion(RequestError):
    """The project has no version of the given name."""

    code = "LSML-E111"


class UnknownJob(RequestError):
    """There is no record of the training job."""

    code = "LSML-E112"


class JobEnded(RequestError):
    """The training job has ended, so it cannot be cancelled."""

    code = "LSML-E115"


class ProjectBusy(RequestError):
    """A worker predicts tasks of the project, so it cannot be forgotten."""

    code = "LSML-E116"


class NotAuthorized(RequestError):
    """The login of the request is missing or wrong."""

    code = "LSML-E120"


class ReadOnlyLogin(RequestError):
    """The request would change something, but its login may only read."""

    code = "LSML-E121"


class SettingsError(BackendError):
    """An environment variable or command-line value is wrong."""

    code = "LSML-E200"


class LabelConfigError(BackendError):
    """The label config is not well-formed, too large, or lacks a required part."""

    code = "LSML-E250"


class ModelError(BackendError):
    """The user's model file caused the error."""

    code = "LSML-E300"


class ModelFileError(ModelError):
    """The model file cannot be found or imported, or has no model class."""

    code = "LSML-E310"


class ModelLoadError(ModelError):
    """The constructor of the model class failed."""

    code = "LSML-E320"


class NoLabelConfig(ModelLoadError):
    """The constructor failed while the project has no label config, which many model classes need."""

    code = "LSML-E321"


class ParamsError(ModelLoadError):
    """A parameter that the model class declares in `params` has a wrong value; the model is not built."""

    code = "LSML-E322"


class PredictError(ModelError):
    """The model's `predict` failed for every task of a request."""

    code = "LSML-E330"


class PredictionInvalid(ModelError):
    """Label Studio cannot show a prediction, in part or at all."""

    code = "LSML-E335"


class FitError(ModelError):
    """The model's `fit` failed."""

    code = "LSML-E340"


class TrainingDataError(FitError, ValueError):
    """The annotations are too few for a training, or not of the kind that it needs.

    `fit` may raise it: it is logged as one line, without a traceback.
    """

    code = "LSML-E341"


class TrainingCancelled(FitError):
    """The training was cancelled in the middle of a call that has no other way to stop, such as a search."""

    code = "LSML-E342"


class ModelProcessDied(BackendError):
    """The process that runs the user's code ended while it worked on a request."""

    code = "LSML-E400"


class CallerLeft(BackendError):
    """The client closed its connection while its request was queued."""

    code = "LSML-E410"


class Overloaded(BackendError):
    """The request queue is full."""

    code = "LSML-E420"


class DeadlineExceeded(BackendError):
    """The answer would come after Label Studio's timeout."""

    code = "LSML-E421"


class VersionError(BackendError):
    """A model version cannot be written, read or found."""

    code = "LSML-E500"


class StaleFence(VersionError):
    """A training run that has lost its lease tried to publish a version."""

    code = "LSML-E510"


class DecisionError(VersionError):
    """The record of a project's served version cannot be read, or names a version that no longer exists."""

    code = "LSML-E520"


class StoreError(VersionError):
    """The object store named by MODEL_DIR cannot be used. `passing` tells whether a later call may succeed."""

    code = "LSML-E530"
    passing = False


class Unsupported(BackendError):
    """A function of an older release is not implemented in this one; the message names the replacement."""

    code = "LSML-E220"


class BrokerError(BackendError):
    """Redis or Valkey is missing, unreachable or refuses the login."""

    code = "LSML-E600"


class SpoolFull(BrokerError):
    """Redis is unreachable, and the event spool on this server's disk is full."""

    code = "LSML-E610"


class StudioError(BackendError):
    """Label Studio's API cannot be reached or refused a call.

    `status` is the HTTP status of its answer, 0 without an answer. `passing` tells whether a later call may succeed:
    after 429 and 5xx, and where a raiser sets it, such as for a failed connection.
    """

    code = "LSML-E700"
    status = 0
    passing = False

    def answered(self, status: int) -> Self:
        """Set `status` and `passing` from an HTTP status; return the error itself."""
        self.status = status
        self.passing = status == 429 or status >= 500
        return self


class StudioAuthError(StudioError):
    """Label Studio refused the token."""

    code = "LSML-E710"


class StudioRefusedError(StudioError):
    """Label Studio answered with an HTTP error.

    `detail` is the message of the response, `fields` the request's fields that are invalid.
    """

    code = "LSML-E720"

    def __init__(
        self, message: str, status: int, detail: str = "", fields: frozenset[str] = frozenset(), **advice: str
    ) -> None:
        super().__init__(message, **advice)
        self.detail = detail
        self.fields = fields
        self.answered(status)


class StudioUnavailable(StudioError):
    """Label Studio cannot be reached or is temporarily failing; a later call may succeed."""

    code = "LSML-E730"


class Unsure(StudioError):
    """The response is missing, incomplete or a server error, so it is not known whether the data sent were stored."""

    code = "LSML-E740"


class FileFetchError(StudioError):
    """A file that a task refers to cannot be fetched."""

    code = "LSML-E750"
