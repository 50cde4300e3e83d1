"""The dashboard's page and its files, with headers that keep the page from running or loading anything else."""

from pathlib import Path

from label_studio_ml.http_server.messages import Call, Response, json_response
from label_studio_ml.http_server.responses.static_files import StaticFiles
from label_studio_ml.web.security.page_paths import STATIC

FOLDER = Path(__file__).parent / "static"

#: Scripts and styles come from files of this server only. Media may also be data of tasks (`data:`) and files that the
#: page itself has fetched (`blob:`).
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "connect-src 'self'",
        "font-src 'self'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class DashboardPage:
    """The page at "/" and the files below `/dashboard/static/`."""

    def __init__(self) -> None:
        self._files = StaticFiles(FOLDER)

    async def response(self, call: Call) -> Response:
        """Return the page, one of its files, or 404; a redirect to the page if its URL does not end with a slash.

        All addresses in the page are relative, so that it works below any path of a proxy.
        """
        if call.path.startswith(STATIC):
            return await self._file(call.path.removeprefix(STATIC), call)
        if call.path != "/":
            return _moved("../" if call.path.endswith("/") else "./")
        if call.requested_path and not call.requested_path.endswith("/"):
            return _moved(call.requested_path.rpartition("/")[2] + "/")
        response = await self._file("index.html", call)
        response.headers["Vary"] = "Accept"
        return response

    async def _file(self, name: str, call: Call) -> Response:
        response = await self._files.response(name, call)
        if response is None:
            return json_response(404, {"status": 404, "detail": f"There is no {call.path} here"})
        response.headers.update(HEADERS)
        return response


def _moved(location: str) -> Response:
    """Return the redirect to the page."""
    detail = {"detail": "The dashboard's page has another address"}
    return json_response(303, detail, {"Location": location})
