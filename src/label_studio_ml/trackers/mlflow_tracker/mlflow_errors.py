"""What it means that a request to MLflow failed: a sentence with the address, and what to do."""

import re
from collections.abc import Iterator, Sequence

from label_studio_ml.support.texts import visible
from label_studio_ml.support.url_secrets import page_url
from label_studio_ml.trackers.tracked_run import Unavailable

#: What to do if another program answers, if MLflow refuses the login, and if it refuses its own address.
FIX_ADDRESS = (
    "Set MLFLOW_TRACKING_URI to the address of the MLflow server, such as http://localhost:5000, and start the backend "
    "again"
)
FIX_LOGIN = (
    "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, and start the backend "
    "again"
)
FIX_HOST = "Start the MLflow server with --allowed-hosts and the host in MLFLOW_TRACKING_URI"

#: What MLflow's client says of an answer that is no JSON object, with the status if that is not 200, and of an answer
#: that it asked for again. Of 500, nobody knows whether the values are the cause.
_STATUS = re.compile(r"failed with error code (\d{3}) != ")
_REPEATED = re.compile(r"too many (\d{3}) error responses")
_BODY = re.compile(r"Response body: '(.*)'\Z", re.DOTALL)
_PAGE = re.compile(r"\s*<(?:!doctype|html|head|body|\?xml|!--)", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>([^<]*)", re.IGNORECASE)
#: What MLflow's client says of a JSON object that has no message of MLflow.
_OTHER_JSON = re.compile(r"\w+: Response: (.*)\Z", re.DOTALL)
#: An address without a scheme, such as localhost:5000, which MLflow's client takes for something else.
_WITHOUT_SCHEME = re.compile(r"[\w.-]+:\d+(?:/.*)?")
_MAX_BODY = 80
#: MLflow's words for an address whose host it does not allow.
_OTHER_HOST = re.compile("host header", re.IGNORECASE)
#: Statuses below 500 that say nothing about the address: the server has too much to do.
_OVERLOAD = frozenset({408, 429})
#: The most exceptions that are looked at for the cause of one.
_MAX_CHAIN = 20


def unavailable(error: Exception, address: str) -> Unavailable | None:
    """Return the error to raise instead of one of MLflow's client, if it says that MLflow cannot be used at `address`.

    None stands for an answer of MLflow itself, other than that the login is refused.
    """
    server, text = page_url(address), str(error)
    if _WITHOUT_SCHEME.fullmatch(address):
        return Unavailable(
            f"MLFLOW_TRACKING_URI={server} has no http:// or https:// at its beginning", FIX_ADDRESS
        )
    if "#" in address and address.startswith("http"):
        fix = f"Set MLFLOW_TRACKING_URI={server.rstrip('/')} and start the backend again"
        return Unavailable("MLFLOW_TRACKING_URI has a # with the name of a page behind it", fix)
    if (body := _BODY.search(text)) is not None:
        status = int(match[1]) if (match := _STATUS.search(text)) else 200
        if status in (401, 403):
            return _denied(server, body[1], status)
        return not_mlflow(address, body[1], status)
    if (other := _OTHER_JSON.search(text)) is not None:
        return not_mlflow(address, other[1])
    chain = list(_chain(error))
    if _has(chain, "InvalidURL"):
        return Unavailable(f"MLFLOW_TRACKING_URI={server} is not the address of a server", FIX_ADDRESS)
    if _has(chain, "Timeout"):
        return Unavailable(f"{server} did not answer in time")
    if (repeated := _REPEATED.search(text)) is not None and repeated[1] != "500":
        return Unavailable(f"{server} answers with status {repeated[1]}")
    if not _has(chain, "ConnectionError") and not _has(chain, "ChunkedEncodingError"):
        return None
    causes = [one.strerror for one in chain if isinstance(one, OSError) and one.strerror]
    return Unavailable(f"{server} cannot be reached: {causes[-1] if causes else chain[-1]}")


def _denied(server: str, body: str, status: int) -> Unavailable:
    """Return the error for an answer with status 401 or 403."""
    message = f"{server} refuses access (status {status}): {_shown(body)}"
    return Unavailable(message, FIX_HOST if _OTHER_HOST.search(body) else FIX_LOGIN)


def not_mlflow(address: str, body: str, status: int = 200) -> Unavailable:
    """Return the error for a server at `address` that answers with `body`, which MLflow does not send."""
    with_status = "" if status == 200 else f" and status {status}"
    if status in _OVERLOAD or status >= 500:
        return Unavailable(f"{page_url(address)} answers with {_shown(body)}{with_status}")
    return Unavailable(
        f"{page_url(address)} is not MLflow's address: it answers with {_shown(body)}{with_status}",
        FIX_ADDRESS,
    )


def _shown(body: str) -> str:
    """Return the beginning of an answer in one line, of a web page its title."""
    if not _PAGE.match(body):
        return visible(body)[:_MAX_BODY] or "nothing"
    title = " ".join(match[1].split()) if (match := _TITLE.search(body)) else ""
    return f"a web page ({visible(title)[:_MAX_BODY]})" if title else "a web page"


def _has(chain: Sequence[BaseException], name: str) -> bool:
    """Tell whether one of the exceptions is of this class of `requests`."""
    import requests

    return any(isinstance(one, getattr(requests.exceptions, name)) for one in chain)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those that led to it: of requests and urllib3, some are attributes of others."""
    following: BaseException | None = error
    for _ in range(_MAX_CHAIN):
        if following is None:
            return
        yield following
        causes = (
            following.__cause__,
            getattr(following, "reason", None),
            *following.args,
            following.__context__,
        )
        following = next((cause for cause in causes if isinstance(cause, BaseException)), None)
