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
    """

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


class BodyTooLarge(RequestError):
    """The request body is larger than the limit."""


class WrongContentType(RequestError):
    """The Content-Type of the request is not JSON."""


class ForeignOrigin(RequestError):
    """A web page of another site sent the request through a user's browser."""


class UnknownHost(RequestError):
    """The request's Host header names a host that is not one of this server's."""


class UnknownProject(RequestError):
    """The backend has never received a request or event of the project."""


class UnknownVersion(RequestError):
    """The project has no version of the given name."""


class UnknownJob(RequestError):
    """There is no record of the training job."""


class JobEnded(RequestError):
    """The training job has ended, so it cannot be cancelled."""


class ProjectBusy(RequestError):
    """A worker predicts tasks of the project, so it cannot be forgotten."""


class NotAuthorized(RequestError):
    """The login of the request is missing or wrong."""


class ReadOnlyLogin(RequestError):
    """The request would change something, but its login may only read."""


class SettingsError(BackendError):
    """An environment variable or command-line value is wrong."""


class LabelConfigError(BackendError):
    """The label config is not well-formed, too large, or lacks a required part."""


class ModelError(BackendError):
    """The user's model file caused the error."""


class ModelFileError(ModelError):
    """The model file cannot be found or imported, or has no model class."""


class ModelLoadError(ModelError):
    """The constructor of the model class failed."""


class NoLabelConfig(ModelLoadError):
    """The constructor failed while the project has no label config, which many model classes need."""


class ParamsError(ModelLoadError):
    """A parameter that the model class declares in `params` has a wrong value; the model is not built."""


class PredictError(ModelError):
    """The model's `predict` failed for every task of a request."""


class PredictionInvalid(ModelError):
    """Label Studio cannot show a prediction, in part or at all."""


class FitError(ModelError):
    """The model's `fit` failed."""


class TrainingDataError(FitError, ValueError):
    """The annotations are too few for a training, or not of the kind that it needs.

    `fit` may raise it: it is logged as one line, without a traceback.
    """


class TrainingCancelled(FitError):
    """The training was cancelled in the middle of a call that has no other way to stop, such as a search."""


class ModelProcessDied(BackendError):
    """The process that runs the user's code ended while it worked on a request."""


class CallerLeft(BackendError):
    """The client closed its connection while its request was queued."""


class Overloaded(BackendError):
    """The request queue is full."""


class DeadlineExceeded(BackendError):
    """The answer would come after Label Studio's timeout."""


class VersionError(BackendError):
    """A model version cannot be written, read or found."""


class StaleFence(VersionError):
    """A training run that has lost its lease tried to publish a version."""


class DecisionError(VersionError):
    """The record of a project's served version cannot be read, or names a version that no longer exists."""


class StoreError(VersionError):
    """The object store named by MODEL_DIR cannot be used. `passing` tells whether a later call may succeed."""

    passing = False


class Unsupported(BackendError):
    """A function of an older release is not implemented in this one; the message names the replacement."""


class BrokerError(BackendError):
    """Redis or Valkey is missing, unreachable or refuses the login."""


class SpoolFull(BrokerError):
    """Redis is unreachable, and the event spool on this server's disk is full."""


class StudioError(BackendError):
    """Label Studio's API cannot be reached or refused a call.

    `status` is the HTTP status of its answer, 0 without an answer. `passing` tells whether a later call may succeed:
    after 429 and 5xx, and where a raiser sets it, such as for a failed connection.
    """

    status = 0
    passing = False

    def answered(self, status: int) -> Self:
        """Set `status` and `passing` from an HTTP status; return the error itself."""
        self.status = status
        self.passing = status == 429 or status >= 500
        return self


class StudioAuthError(StudioError):
    """Label Studio refused the token."""


class StudioRefusedError(StudioError):
    """Label Studio answered with an HTTP error.

    `detail` is the message of the response, `fields` the request's fields that are invalid.
    """

    def __init__(
        self, message: str, status: int, detail: str = "", fields: frozenset[str] = frozenset(), **advice: str
    ) -> None:
        super().__init__(message, **advice)
        self.detail = detail
        self.fields = fields
        self.answered(status)


class StudioUnavailable(StudioError):
    """Label Studio cannot be reached or is temporarily failing; a later call may succeed."""


class Unsure(StudioError):
    """The response is missing, incomplete or a server error, so it is not known whether the data sent were stored."""


class FileFetchError(StudioError):
    """A file that a task refers to cannot be fetched."""
