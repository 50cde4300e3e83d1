"""Which requests are those of the dashboard: its page, the page's files, and its own API."""

from label_studio_ml.http_server.messages import Call

#: Path of the dashboard's page besides "/", prefix of the page's files, prefix of its API; paths in it that need no
#: login: the login form's, and the one that tells whether there is a session.
DASHBOARD, STATIC, API = "/dashboard", "/dashboard/static/", "/dashboard/api/"
LOGIN_PATH, SESSION_PATH = "/dashboard/api/login", "/dashboard/api/session"


def is_dashboard(call: Call) -> bool:
    """Return whether the dashboard answers a request: "/" only for a browser that asks for a page."""
    return is_page(call) or call.path.startswith(API)


def is_page(call: Call) -> bool:
    """Return whether a request is for the dashboard's page or for one of the page's files."""
    if call.method not in ("GET", "HEAD"):
        return False
    if call.path == "/":
        return accepts_html(call.headers.get("accept", ""))
    return call.path.rstrip("/") == DASHBOARD or call.path.startswith(STATIC)


def accepts_html(accept: str) -> bool:
    """Return whether an Accept header names text/html with a weight other than 0, as those of browsers do.

    `*/*`, which curl and libraries send, does not: they get JSON as before there was a page.
    """
    for entry in accept.lower().split(","):
        media_type, *parameters = (part.strip() for part in entry.split(";"))
        if media_type in ("text/html", "application/xhtml+xml"):
            weight = next((part[2:] for part in parameters if part.startswith("q=")), "1")
            return weight.strip("0.") != ""
    return False
