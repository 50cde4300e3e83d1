"""Every error this package raises on purpose, in one tree.

    BackendError
    ├── RequestError            what the client sent is wrong
    │   ├── BodyTooLarge
    │   ├── WrongContentType
    │   ├── ForeignOrigin
    │   ├── UnknownHost
    │   ├── UnknownProject
    │   ├── UnknownVersion
    │   ├── UnknownJob
    │   ├── JobEnded
    │   └── NotAuthorized
    ├── SettingsError           an environment variable or a command-line value is wrong
    ├── LabelConfigError        the project's label config cannot be read
    ├── ModelError              the user's model file
    │   ├── ModelFileError      it cannot be found or imported
    │   ├── ModelLoadError      its class cannot be built
    │   │   └── NoLabelConfig   … and the project has no label config yet
    │   ├── PredictError        its predict failed for everything it was asked
    │   └── FitError            its fit failed
    ├── ModelProcessDied        the process that runs the user's code ended
    ├── CallerLeft              nobody waits for the answer any more
    ├── Overloaded              the queue is full; ask again later
    ├── DeadlineExceeded        the answer would come after the caller gave up
    ├── VersionError            a model version cannot be written or read
    │   ├── StaleFence          somebody else trained this project in the meantime
    │   ├── DecisionError       which version is to be served is not known
    │   └── StoreError          the store that MODEL_DIR's URL names is away, or refuses
    ├── Unsupported             a name of an older release that does nothing here
    ├── BrokerError             Redis or Valkey is missing, unreachable or refuses
    │   └── SpoolFull           … and the disk keeps no more events meanwhile
    └── StudioError             Label Studio's API said no
        ├── StudioAuthError     … to the token
        ├── StudioUnavailable   nothing, or that it cannot answer at the moment
        └── FileFetchError      a task's file cannot be had

None of them knows an HTTP status: `web.statuses` holds the one table.
"""

from typing import Self


class BackendError(Exception):
    """Something went wrong that a person can act on, said in one line.

    Parameters: `message` says what is wrong; `fix` says what to do about it; `field` names the field, setting or
    file that is wrong, where there is one.
    """

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
    """The request is wrong; the same request will fail again."""


class BodyTooLarge(RequestError):
    """The body is larger than the limit."""


class WrongContentType(RequestError):
    """The body is not said to be JSON."""


class ForeignOrigin(RequestError):
    """A page of another site asks, through the browser of somebody who looks at it."""


class UnknownHost(RequestError):
    """The request is for a host name that this server is not known by."""


class UnknownProject(RequestError):
    """No request or event of this project ever arrived here."""


class UnknownVersion(RequestError):
    """The project has no version of this name."""


class UnknownJob(RequestError):
    """There is no record of this training job."""


class JobEnded(RequestError):
    """The training job has ended: it cannot be cancelled any more."""


class NotAuthorized(RequestError):
    """Login is missing or wrong."""


class SettingsError(BackendError):
    """An environment variable or command-line value is wrong."""


class LabelConfigError(BackendError):
    """The label config is not well-formed, or lacks what it must have."""


class ModelError(BackendError):
    """The user's model file is at fault."""


class ModelFileError(ModelError):
    """The model file cannot be found or imported, or holds no model class."""


class ModelLoadError(ModelError):
    """The model class cannot be built."""


class NoLabelConfig(ModelLoadError):
    """The model class cannot be built while the project has no label config, as many look at it when they are built."""


class PredictError(ModelError):
    """The model's `predict` failed for every task of a request."""


class FitError(ModelError):
    """The model's `fit` failed."""


class ModelProcessDied(BackendError):
    """The process that runs the user's code ended while it held a request."""


class CallerLeft(BackendError):
    """The caller closed its connection before its turn came."""


class Overloaded(BackendError):
    """More requests wait than the queue takes."""


class DeadlineExceeded(BackendError):
    """The answer would come after Label Studio has stopped waiting."""


class VersionError(BackendError):
    """A model version cannot be written, read or found."""


class StaleFence(VersionError):
    """A training run that lost its lease tried to publish."""


class DecisionError(VersionError):
    """What was decided about a project's versions cannot be read, or names a version that is gone."""


class StoreError(VersionError):
    """The store that MODEL_DIR's URL names cannot be used. `passing`: the same call may work a while later."""

    passing = False


class Unsupported(BackendError):
    """A function of an older release was called that this one does not have; the message says what to use instead."""


class BrokerError(BackendError):
    """Redis or Valkey is missing, unreachable or refuses the login."""


class SpoolFull(BrokerError):
    """Redis cannot be reached, and as many events as this server keeps on its disk wait there already."""


class StudioError(BackendError):
    """Label Studio's API cannot be reached or refused a call.

    `status` is the HTTP status that it answered with, 0 if it did not. `passing` tells whether the same call may work a
    while later: nothing answered, or with 429 or 5xx.
    """

    status = 0
    passing = False

    def answered(self, status: int) -> Self:
        """Note the HTTP status; return the error."""
        self.status = status
        self.passing = status == 429 or status >= 500
        return self


class StudioAuthError(StudioError):
    """Label Studio refused the token."""


class StudioUnavailable(StudioError):
    """Label Studio cannot be reached, or cannot answer at the moment; asking again later may help."""


class FileFetchError(StudioError):
    """A file that a task refers to cannot be had."""
