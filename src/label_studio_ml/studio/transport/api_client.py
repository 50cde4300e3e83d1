"""Requests to Label Studio's API, whose responses are JSON. All resources send theirs through an ApiClient."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from label_studio_ml.errors import BackendError, StudioError, StudioUnavailable, Unsure
from label_studio_ml.storage.retries import retry
from label_studio_ml.studio.transport.http import Http
from label_studio_ml.studio.transport.studio_errors import refusal, unexpected
from label_studio_ml.support import lone_surrogates

if TYPE_CHECKING:
    from requests import Response

Json = dict[str, Any]
T = TypeVar("T")

#: Longest pause between two tries of a request that waits for Label Studio, in seconds.
MAX_PAUSE = 10.0

_FORMS: dict[Any, str] = {dict: "a JSON object", dict | list: "a JSON list"}


class Interrupted(BackendError):
    """`stop` was called while a request waited for Label Studio."""

    code = "LSML-E770"


class ApiClient:
    """Requests through `http` that return decoded JSON. Thread-safe.

    `retry_seconds` is the number of seconds for which a request is repeated while Label Studio cannot be reached, or
    answers with 429 or 5xx, but not after a wrong redirect or certificate, which waiting does not fix; None: it is not
    repeated beyond the attempts of `http`. `notify` is called with the reason of each wait. `blames_token` tells
    whether status 403 is read as a refused token, or as a refused request. Every method raises StudioAuthError when the
    token is refused, StudioRefusedError for other error statuses, and StudioError when Label Studio cannot be reached
    or the response has another form than expected; the message names the call. With `retry_seconds`, the last two are
    StudioUnavailable while a later call may succeed, Unsure if a POST may have been carried out, and Interrupted after
    `stop`.
    """

    def __init__(
        self,
        http: Http,
        *,
        retry_seconds: float | None = None,
        notify: Callable[[str], None] = lambda reason: None,
        blames_token: bool = True,
    ) -> None:
        self.http = http
        self.notify = notify
        self._retry_seconds = retry_seconds
        self._blames_token = blames_token
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let all waiting and later requests of a client with `retry_seconds`, in all threads, raise Interrupted."""
        self._stopped.set()

    def close(self) -> None:
        """Close the connections that are kept open."""
        self.http.close()

    def json_object(self, method: str, path: str, *, form: Any = dict, **arguments: Any) -> Json:
        """Send a request and return the JSON object of the response, whose type must be `form`."""
        value: Json = self.call(method, path, expected=dict, **arguments)
        _check_form(value, form, f"{method} {path}")
        return value

    def json_list(self, method: str, path: str, *, form: Any = dict, **arguments: Any) -> list[Json]:
        """Send a request and return the objects of the response's JSON list, whose type must be `form`."""
        value: Any = self.call(method, path, expected=dict | list, **arguments)
        if isinstance(value, dict):  # newer versions paginate some lists
            value = value.get("results")
        _check_form(value, list[form], f"{method} {path}")
        objects: list[Json] = value
        return objects

    def call(
        self, method: str, path: str, *, expected: Any = None, login: bool = True, **arguments: Any
    ) -> Any:
        """Send a request and return the decoded JSON of the response, None if it is empty or not JSON.

        `expected` is the type of the JSON, None for any. `login` tells whether the token is sent. `arguments` are
        passed to requests (`json`, `params`, `files`). A POST is sent again only if it was not carried out; without
        `retry_seconds`, this holds for PATCH and DELETE, too. A DELETE of an object that does not exist counts as done.
        """
        url, repeatable = self.http.base + path, method == "GET"
        error: type[StudioError] = StudioError
        if self._retry_seconds is not None:
            repeatable = method != "POST"
            error = StudioUnavailable if repeatable else Unsure

        def attempt() -> Any:
            with self.http.request(
                method, url, login=lambda _: login, error=error, repeatable=repeatable, **arguments
            ) as response:
                if response.status_code == 404 and method == "DELETE":
                    return None
                if response.status_code >= 400:
                    raise refusal(response, self.http.token, error, blames_token=self._blames_token)
                value = _decoded(response)
                if expected is not None and not isinstance(value, expected):
                    problem = f"did not answer with {_FORMS[expected]}"
                    unsure = Unsure if error is Unsure else StudioError
                    raise unexpected(response, self.http.token, problem, unsure)
                return value

        return attempt() if self._retry_seconds is None else self._repeated(attempt, self._retry_seconds)

    def _repeated(self, attempt: Callable[[], T], retry_seconds: float) -> T:
        """Repeat `attempt` for `retry_seconds` seconds while it raises StudioUnavailable. Raises Interrupted."""
        return retry(
            attempt,
            on=StudioUnavailable,
            seconds=retry_seconds,
            first=0.5,
            longest=MAX_PAUSE,
            before=self._check_stopped,
            failed=lambda error: self.notify(error.message),
            sleep=self._stopped.wait,
        )

    def _check_stopped(self) -> None:
        if self._stopped.is_set():
            raise Interrupted("Interrupted")


def _check_form(value: Any, form: Any, call: str) -> None:
    """Raise StudioError, with the place, if `value`, the answer to `call`, is not of the type `form`."""
    try:
        msgspec.convert(value, form)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).replace("`", "").partition(" - at $")
        at = f" ({place.lstrip('.')})" if place else ""
        raise StudioError(
            f"Label Studio's answer to {call} has an unexpected form: {problem[:1].lower()}{problem[1:]}{at}",
            fix="See whether Label Studio itself answers at this address, and is of release 1.13 or newer",
        ) from None


def _decoded(response: "Response") -> Any:
    try:
        return lone_surrogates.parsed(response.content)
    except (ValueError, OSError):
        return None
