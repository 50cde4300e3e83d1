"""Map errors to HTTP statuses, and to the parts that the metrics count as having failed."""

from label_studio_ml import errors

#: Errors and their HTTP statuses; the first matching class applies.
STATUSES: tuple[tuple[type[errors.BackendError], int], ...] = (
    (errors.BodyTooLarge, 413),
    (errors.WrongContentType, 415),
    (errors.ForeignOrigin, 403),
    (errors.UnknownHost, 421),
    (errors.UnknownProject, 404),
    (errors.UnknownJob, 404),
    (errors.JobEnded, 409),
    (errors.ProjectBusy, 409),
    (errors.UnknownVersion, 404),
    (errors.NotAuthorized, 401),
    (errors.ReadOnlyLogin, 403),
    (errors.RequestError, 400),
    (errors.LabelConfigError, 400),
    (errors.NoLabelConfig, 400),
    (errors.ParamsError, 400),
    (errors.CallerLeft, 499),  # no client reads it; nginx logs this number in that case
    (errors.Overloaded, 503),
    (errors.DeadlineExceeded, 504),
    (errors.BrokerError, 503),
    (errors.StoreError, 503),
    (errors.DecisionError, 503),
    (errors.StudioError, 502),
    (errors.BackendError, 500),
)

#: Errors and the part counted as having failed; the first matching class applies.
PARTS: tuple[tuple[type[errors.BackendError], str], ...] = (
    (errors.BrokerError, "broker"),
    (errors.VersionError, "store"),
    (errors.ModelError, "model"),
    (errors.ModelProcessDied, "model"),
    (errors.Overloaded, "overload"),
    (errors.DeadlineExceeded, "deadline"),
)


def status_of(error: errors.BackendError) -> int:
    """Return the HTTP status of an error."""
    return next(status for kind, status in STATUSES if isinstance(error, kind))


def status_of_kind(kind: type[errors.BackendError]) -> int:
    """Return the HTTP status of errors of a class."""
    return next(status for known, status in STATUSES if issubclass(kind, known))


def part_of(error: errors.BackendError) -> str:
    """Return the part that failed, empty for all other errors, such as those of the caller."""
    return next((part for kind, part in PARTS if isinstance(error, kind)), "")
