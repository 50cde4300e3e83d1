"""Errors of fetching a task's file, with what to do about them."""

from label_studio_ml.errors import FileFetchError, StudioError
from label_studio_ml.studio.addresses.references import STUDIO_KINDS, Kind
from label_studio_ml.support.url_secrets import mask

_STORAGE = "in Label Studio's cloud storage settings"

#: Statuses and kinds of reference, with what to do about such a response of Label Studio and the setting to change.
#: The first row that fits counts.
_ADVICE = (
    (
        {401, 403},
        {Kind.WEB},
        "Label Studio's token is sent for uploads, local files and cloud files only",
        "",
    ),
    (
        {403},
        {Kind.LOCAL},
        "Set LOCAL_FILES_DOCUMENT_ROOT here, or LOCAL_FILES_SERVING_ENABLED=true in Label Studio",
        "LOCAL_FILES_DOCUMENT_ROOT",
    ),
    (
        {403},
        {*STUDIO_KINDS, Kind.CLOUD},
        "LABEL_STUDIO_API_KEY must be of a user who may see the project",
        "LABEL_STUDIO_API_KEY",
    ),
    # Label Studio 1.23.2 answers 500.
    ({404, 500}, {Kind.UPLOAD}, "It seems that the upload was deleted in Label Studio", ""),
    ({404}, {Kind.CLOUD}, f"Connect the bucket to the project {_STORAGE}", ""),
    ({404}, {Kind.LOCAL}, f"Add the folder to the project {_STORAGE}", ""),
)


def advice(status: int, kind: Kind, *, from_studio: bool) -> tuple[str, str]:
    """Return what to do about a response with `status`, and the setting to change; either may be empty.

    `from_studio` says that the response came from Label Studio.
    """
    if status in {401, 403} and not from_studio:
        return "If this is Label Studio, set LABEL_STUDIO_URL to this address", "LABEL_STUDIO_URL"
    rows = ((fix, field) for statuses, kinds, fix, field in _ADVICE if status in statuses and kind in kinds)
    return next(rows, ("", ""))


def both_failed(
    first: StudioError, second: StudioError, link: str = "and through Label Studio"
) -> FileFetchError:
    """Return the error for a file that could be read in neither of two ways. `link` joins the two messages."""
    message = f"{first.message}; {link}: {second.message}"
    fix = "; or ".join(dict.fromkeys(fix for fix in (first.fix, second.fix) if fix))
    return FileFetchError(message, fix=fix, field=first.field or second.field)


def too_large(url: str, limit: int) -> FileFetchError:
    """Return the error for a file of more than `limit` bytes."""
    message = f"{mask(url)} is larger than {limit} bytes"
    return FileFetchError(message, fix="Raise FILES_MAX_MB", field="FILES_MAX_MB")
