"""Decide from the head of a request whether it is admitted, whether it is trusted, and how large its body may be."""

from label_studio_ml.config.settings import Settings
from label_studio_ml.http_server.body_budget import largest_untrusted
from label_studio_ml.http_server.messages import Admission, Call
from label_studio_ml.web.security.browser_checks import AccessRules
from label_studio_ml.web.security.login_check import Login
from label_studio_ml.web.security.login_sessions import Sessions
from label_studio_ml.web.security.page_paths import API, LOGIN_PATH, SESSION_PATH, is_page

#: Maximum body sizes in bytes: without the required login; of a webhook event without it, of which only ids are read
#: (Label Studio's own webhooks carry no login and are sent once, and a brush mask may exceed 1 MiB); of routes that
#: take a label config; of routes not listed below. A listed 0 stands for the setting `max_body`, which caps all sizes.
UNTRUSTED_BODY, UNTRUSTED_EVENT, CONFIG_BODY, SMALL_BODY = 1 << 20, 32 << 20, 32 << 20, 1 << 20
#: Maximum size in bytes of bodies that the dashboard sends: pasted tasks; and of its login form.
DASHBOARD_BODY, LOGIN_BODY = 32 << 20, 64 << 10
_LARGE_ROUTES = {"/predict": 0, "/webhook": 0, "/train": 0, "/setup": CONFIG_BODY, "/validate": CONFIG_BODY}


class Admissions:
    """Decides what requests may do, by the rules of `access`, the login and the settings' limit on bodies."""

    def __init__(self, settings: Settings, login: Login, access: AccessRules, sessions: Sessions) -> None:
        self._access = access
        self._login = login
        self._sessions = sessions
        self._logging_in = Admission(trusted=False, max_body=LOGIN_BODY)
        self._dashboard = Admission(trusted=True, max_body=min(DASHBOARD_BODY, settings.max_body))
        max_body = settings.max_body
        self._without_login = Admission(trusted=False, max_body=min(UNTRUSTED_BODY, max_body))
        event = min(UNTRUSTED_EVENT, max_body, largest_untrusted(settings.http.max_in_flight))
        self._event_without_login = Admission(trusted=False, max_body=event)
        self._page = Admission(trusted=False, max_body=0)
        self._small = Admission(trusted=True, max_body=min(SMALL_BODY, max_body))
        self._large = {
            route: Admission(trusted=True, max_body=min(limit or max_body, max_body))
            for route, limit in _LARGE_ROUTES.items()
        }

    def admit(self, call: Call, *, untyped: bool = False, loopback: bool = False) -> Admission:
        """Return what a request may do, decided from its head before its body is read.

        With `untyped`, a body needs no Content-Type: tests in users' folders send none. `loopback`: the request
        was received on a loopback address. Raises NotAuthorized, ReadOnlyLogin, UnknownHost, ForeignOrigin or
        WrongContentType.
        """
        path, headers = call.path, call.headers
        typed = call.has_body and not (untyped and not headers.get("content-type"))
        if path.startswith("/problem/"):  # the page shows only what is in its URL, so any Host may be used
            reads = call.method in ("GET", "HEAD")
            self._access.check(call.method, headers, has_body=typed, loopback=loopback, any_host=reads)
            return self._page
        linked = not path.startswith(API)  # only the dashboard's own page leads there
        self._access.check(call.method, headers, has_body=typed, loopback=loopback, linked=linked)
        if (path == "/" or path.startswith("/dashboard")) and (page := self._of_dashboard(call)) is not None:
            return page
        changes = call.method not in ("GET", "HEAD")
        if not self._login.check(headers.get("authorization", ""), path, changes=changes):
            return self._event_without_login if path.rstrip("/") == "/webhook" else self._without_login
        return self._large.get(path) or self._large.get(path.rstrip("/"), self._small)

    def _of_dashboard(self, call: Call) -> Admission | None:
        """Return what a request of the dashboard may do, None for other requests. Raises NotAuthorized.

        The page itself has no data, so it needs no login. Its roles are checked by the dashboard.
        """
        if is_page(call):
            return self._page
        if call.path in (LOGIN_PATH, SESSION_PATH):
            return self._logging_in
        if call.path.startswith(API):
            self._sessions.session(call)
            return self._dashboard
        return None
