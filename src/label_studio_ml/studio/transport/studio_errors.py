"""Turn what goes wrong with Label Studio into exceptions: no response, an error status, a body of another form.

This is the only place that reads statuses and bodies of failed API requests.
"""

import re
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit

from label_studio_ml.errors import StudioAuthError, StudioError, StudioRefusedError, StudioUnavailable
from label_studio_ml.studio.addresses.deadline import current
from label_studio_ml.support.url_secrets import mask

if TYPE_CHECKING:
    from requests import Response

E = TypeVar("E", bound=StudioError)

#: Statuses which mean that a request was not carried out, so that even a POST may be sent again.
NOT_DONE = frozenset({429, 503})

#: Errors of the various OpenSSL releases for a response that is not TLS.
_PLAIN = re.compile(
    "wrong.version.number|http.request|unknown.protocol|packet.length.too.long", re.IGNORECASE
)
#: Errors of TLS for a certificate that does not become valid by waiting.
_UNTRUSTED = re.compile("certificate|unknown.ca", re.IGNORECASE)
_SUB_PATH = {
    "fix": "Set LABEL_STUDIO_URL to Label Studio's address with its sub-path, if it has one",
    "field": "LABEL_STUDIO_URL",
}


class Secret(Protocol):
    """A token, as far as errors need it."""

    def hide(self, text: str) -> str:
        """Return `text` without the token."""

    def advice(self, detail: str) -> str:
        """Return what to do when the token is refused with the reason `detail`."""


def refusal(
    response: "Response", token: Secret, error: type[StudioError], *, blames_token: bool
) -> StudioError:
    """Return the exception for a response with a status of 400 or above.

    401 is a StudioAuthError; 403, too, with `blames_token`. 429 and 5xx are an `error` if that is StudioUnavailable or
    Unsure; but StudioUnavailable if the request was not carried out. Everything else is a StudioRefusedError.
    """
    status, summary = response.status_code, summarized(response, token)
    if status == 401 or (status == 403 and blames_token):
        return token_refused(response, token).answered(status)
    if error is not StudioError and (status == 429 or status >= 500):
        unavailable = StudioUnavailable if status in NOT_DONE else error
        return unavailable(f"Label Studio cannot answer at the moment: {summary}").answered(status)
    body = _body(response)
    errors = (body or {}).get("validation_errors")
    detail = " ".join(_nested_texts(errors or (body or {}).get("detail")).split())[:500]
    message = f"Label Studio refused a request: {summary}"
    fields = frozenset(errors) if isinstance(errors, dict) else frozenset[str]()
    if detail and detail not in summary:
        named = ", ".join(sorted(fields - {"non_field_errors"}))  # Label Studio's text says "this field"
        message = token.hide(f"{message}: {named}: {detail}" if named else f"{message}: {detail}")
    advice = _SUB_PATH if status < 500 and body is None else {}
    return StudioRefusedError(message, status, detail, fields, **advice)


def token_refused(
    response: "Response",
    token: Secret,
    error: type[E] = StudioAuthError,  # type: ignore[assignment]
) -> E:
    """Return an `error` that says why Label Studio refused the token, and what to do."""
    summary = summarized(response, token)
    return error(
        f"Label Studio refused the token: {summary}", fix=token.advice(summary), field="LABEL_STUDIO_API_KEY"
    )


def unexpected(response: "Response", token: Secret, problem: str, error: type[E]) -> E:
    """Return an `error` for a response whose body has another form: "Label Studio", `problem`, and the status."""
    message = f"Label Studio {problem}: {summarized(response, token)}"
    return error(message, **_SUB_PATH).answered(response.status_code)


def summarized(response: "Response", token: Secret) -> str:
    """Return status, URL and the response's `detail`, in one line without secrets."""
    detail = (_body(response) or {}).get("detail")
    text = f"{response.status_code} at {mask(response.url)}"
    return token.hide(f"{text} ({str(detail)[:200]})" if detail else text)


def unreachable(url: str, failure: Exception, error: type[StudioError], *, own: bool) -> StudioError:
    """Return an error for a request to `url` that ended with `failure`, an exception of requests or a ValueError.

    It is an `error` if a later request may get a response, else a plain StudioError. `own` says that `url` is Label
    Studio's.
    """
    from requests.exceptions import SSLError, Timeout

    if (deadline := current()) is not None and deadline.passed:
        return overdue(url, deadline.seconds, error)
    fix = ""
    if own:
        fix = "Does Label Studio run there? If it has another address, set LABEL_STUDIO_URL, or give --url"
    problem, passing = "cannot be reached", may_pass(failure)
    if isinstance(failure, SSLError) and _PLAIN.search(_tls_error(failure)):
        problem = "does not speak TLS: what answers there is plain http"
        fix = f"Give the address with http:// in place of https://, as in {mask(_plain(url))}"
    elif isinstance(failure, SSLError) and not passing:
        problem = "has a TLS certificate that is not trusted"
        fix = "Install its CA here, or set VERIFY_SSL=false"
    elif isinstance(failure, Timeout):
        problem = "did not answer in time"
    result = (error if passing else StudioError)(
        f"{mask(url.partition('/api/')[0] if own else url)} {problem} ({type(failure).__name__})",
        fix=fix,
        field="LABEL_STUDIO_URL" if own else "",
    )
    result.passing = passing
    return result


def may_pass(failure: Exception) -> bool:
    """Tell whether a request that ended with `failure`, an exception of requests or a ValueError, may succeed later."""
    from requests.exceptions import ConnectionError as NotConnected
    from requests.exceptions import HTTPError, SSLError, Timeout

    if isinstance(failure, SSLError):
        return not (_PLAIN.search(_tls_error(failure)) or _UNTRUSTED.search(_tls_error(failure)))
    return isinstance(failure, NotConnected | Timeout | HTTPError)


def _tls_error(failure: Exception) -> str:
    """Return the text of an error of TLS without host and path of the request, which may contain any word."""
    reason = getattr(failure.args[0], "reason", None) if failure.args else None
    return str(reason or failure)


def unconfirmed(url: str) -> str:
    """Return the advice for a private address that is not confirmed as Label Studio's."""
    return f"Set LABEL_STUDIO_URL={mask(url)} if that is your Label Studio"


def overdue(url: str, seconds: float, error: type[E]) -> E:
    """Return an `error` for a transfer that did not end within `seconds`."""
    return error(
        f"{mask(url)} was not fetched within {seconds:g} seconds",
        fix="Raise FILES_TIMEOUT if the file needs more time",
        field="FILES_TIMEOUT",
    )


def _body(response: "Response") -> dict[str, Any] | None:
    """Return the JSON object of a response, empty for other JSON, None if it is not JSON."""
    try:
        is_json = response.headers.get("Content-Type", "").startswith("application/json")
        body = response.json() if is_json else None
    except (ValueError, OSError):
        return None
    return body if isinstance(body, dict) else {} if is_json else None


def _nested_texts(value: Any) -> str:
    """Return the texts in nested lists and dicts, without the keys."""
    if isinstance(value, dict | list):
        return " ".join(map(_nested_texts, value.values() if isinstance(value, dict) else value))
    return "" if value is None else str(value)


def _plain(url: str) -> str:
    return f"http://{urlsplit(url).netloc}"
