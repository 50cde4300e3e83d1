"""Responses to requests that fail: the log line, the count in the metrics, and where Label Studio shows the cause."""

import logging
import time

from label_studio_ml import errors
from label_studio_ml.http_server.messages import Call, Response, json_response
from label_studio_ml.monitoring.counters import Counts
from label_studio_ml.monitoring.error_groups import Kind
from label_studio_ml.web.error_statuses import part_of, status_of
from label_studio_ml.web.routes import problem
from label_studio_ml.web.security.login_check import Login
from label_studio_ml.web.security.page_paths import API

logger = logging.getLogger(__name__)

_STUDIO_AGENT = "heartex/"

#: Routes that Label Studio calls.
_STUDIO_ROUTES = (
    "/setup",
    "/predict",
    "/webhook",
    "/train",
    "/validate",
    "/job_status",
    "/duplicate_model",
    "/delete",
)

#: Statuses of refused clients, whose address is logged.
_REFUSALS = (401, 403, 421)


def _is_for_people(call: Call, status: int) -> bool:
    """Tell whether the dashboard shows the failure of a request: errors of this server, and of Label Studio's requests.

    Of requests without the login, only a 401 to a route of Label Studio is shown, so that others cannot fill the list.
    """
    if call.path.startswith("/dashboard/") or call.path == "/" or status == 499:
        return False
    if status >= 500:
        return call.trusted or call.path in _STUDIO_ROUTES
    return call.path in _STUDIO_ROUTES and (call.trusted or status == 401)


class FailureResponses:
    """Responses to failed requests. `login` tells what a 401 asks for."""

    def __init__(self, counts: Counts, login: Login) -> None:
        self._counts = counts
        self._login = login
        self._refused = 0
        self._refusal_logged = 0.0

    def response(self, error: errors.BackendError, call: Call) -> Response:
        """Log and count `error`, and return the response: for Label Studio a redirect with the cause in its URL."""
        path = call.path
        if part := part_of(error):
            self._counts.error(part)
        status = status_of(error)
        if not error.reported and _is_for_people(call, status):
            self._report(error, path, status)
        if isinstance(error, errors.Overloaded | errors.SpoolFull):
            self._log_refusal(path, error)
        else:
            log = logger.error if status >= 500 else logger.warning
            sent_from = f"{call.peer}: " if status in _REFUSALS and call.peer else ""
            # The address comes first because long messages are cut. The path is quoted: it may contain line breaks.
            log("%s%r -> %d: %s", sent_from, path, status, error)
        studio = call.headers.get("user-agent", "").startswith(_STUDIO_AGENT)
        if studio and status != 401 and "/problem/" not in path:
            # Label Studio shows a failure's status, reason phrase and final URL, not its body: put the cause there.
            location = problem.reference(path, status, str(error), call.requested_path, error.code)
            return json_response(303, {"detail": str(error), "code": error.code}, {"Location": location})
        extra = {}
        if status == 401:  # the dashboard has a form of its own; a browser would open another one
            extra["WWW-Authenticate"] = "Session" if path.startswith(API) else self._login.challenge
        if status == 503:
            extra["Retry-After"] = "1"
        fields = {"field": error.field} if error.field else {}
        body = {"status": status, "detail": str(error), "code": error.code, **fields}
        return json_response(status, body, extra)

    def _report(self, error: errors.BackendError, path: str, status: int) -> None:
        """Record an error for the dashboard."""
        kind: Kind = "events" if isinstance(error, errors.BrokerError) else "request"
        message = f"{path} -> {status}: {error.message}"
        self._counts.failures.add(kind, message, fix=error.fix, field=error.field, code=error.code)
        error.reported = True

    def _log_refusal(self, path: str, error: errors.BackendError) -> None:
        """Log a refusal, at most one line a second: under overload there are thousands, and logging them adds to it."""
        self._refused += 1
        now = time.monotonic()
        if now - self._refusal_logged >= 1.0:
            logger.error("%r -> 503 (%d times since the last such line): %s", path, self._refused, error)
            self._refused, self._refusal_logged = 0, now
