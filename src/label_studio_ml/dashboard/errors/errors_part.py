"""The routes and topics of the view Errors."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from label_studio_ml.dashboard.errors import error_calls
from label_studio_ml.dashboard.errors.server_log import NAMES, ServerLog
from label_studio_ml.dashboard.page_request import PageRequest, Route, Topic
from label_studio_ml.dashboard.studio_address import project_url
from label_studio_ml.errors import ReadOnlyLogin, RequestError
from label_studio_ml.http_server.messages import Response, json_response
from label_studio_ml.monitoring.error_groups import ErrorGroup
from label_studio_ml.reports.error_reporter import ErrorReporter
from label_studio_ml.support.texts import whole_number
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.web.project_registry import ProjectRegistry

#: Groups of errors in the topic, and on one page.
SHOWN, MAX_PAGE = 20, 200
#: Groups that one request may remove.
MAX_REMOVED = 1000
#: Projects that the page offers for its filter.
MAX_PROJECTS = 200


class ErrorsPart:
    """The errors that `reporter` reads, with links to the projects in Label Studio, and this server's `log`."""

    def __init__(
        self, reporter: ErrorReporter, projects: ProjectRegistry, log: ServerLog, server: str
    ) -> None:
        self._reporter = reporter
        self._projects = projects
        self._log = log
        self._server = server
        self.routes: Sequence[Route] = (
            Route(error_calls.LIST_ERRORS, self._list),
            Route(error_calls.CLEAR_ERRORS, self._clear),
            Route(error_calls.SERVER_LOG, self._read_log),
            Route(error_calls.LOG_RECORD, self._read_record),
            Route(error_calls.LOG_DOWNLOAD, self._download),
        )
        self.topics: Sequence[Topic] = (
            Topic("errors", self._topic, interval=2.0),
            Topic("log", self._log_state, interval=1.0),
        )

    async def _topic(self, subject: str) -> dict[str, Any]:
        """Return the first page of all errors; `subject` is not used."""
        return await self._page("", "", "", 0, SHOWN)

    async def _list(self, request: PageRequest) -> Response:
        first = request.number("first", 0, least=0, most=100_000)
        size = request.number("size", SHOWN, least=1, most=MAX_PAGE)
        filters = (request.query("project"), request.query("kind"), request.query("search"))
        return json_response(200, await self._page(*filters, first, size))

    async def _page(self, project: str, kind: str, search: str, first: int, size: int) -> dict[str, Any]:
        groups, problem = await self._reporter.all()
        kinds = Counter(group.kind for group in groups)
        uids = list(dict.fromkeys(group.project for group in groups if group.project))[:MAX_PROJECTS]
        known = {uid: await self._projects.get(uid) for uid in uids}
        chosen = [
            group
            for group in groups
            if (not project or group.project == project)
            and (not kind or group.kind == kind)
            and (not search or _has(group, search.casefold(), known.get(group.project)))
        ]
        return {
            "errors": [_described(group, known.get(group.project)) for group in chosen[first : first + size]],
            "first": first,
            "total": len(chosen),
            "all": len(groups),
            "occurrences": sum(group.count for group in chosen),
            "kinds": kinds,
            "projects": [{"uid": uid, "title": _title(uid, known[uid])} for uid in uids],
            "problem": problem,
        }

    async def _clear(self, request: PageRequest) -> Response:
        """Remove the groups in `ids`, or all of them with `all`."""
        fields = request.fields()
        ids = fields.get("ids", [])
        if fields.get("all") is True:
            ids = [group.id for group in (await self._reporter.all())[0]]
        elif not isinstance(ids, list) or not ids or not all(isinstance(group_id, str) for group_id in ids):
            raise RequestError("ids must be a list of ids of errors", field="ids")
        await self._reporter.remove(ids[:MAX_REMOVED])
        return json_response(200, {"removed": len(ids[:MAX_REMOVED])})

    async def _log_state(self, subject: str) -> dict[str, Any]:
        """Return how far the log `subject` reaches: pages read new lines themselves, as far as their login may."""
        return await asyncio.to_thread(self._log.state, subject or NAMES[0])

    async def _read_log(self, request: PageRequest) -> Response:
        """Return records of a log: those before a position, or those after one."""
        name = request.query("file") or NAMES[0]
        chosen = {"search": request.query("search"), "level": request.query("level")}
        tracebacks = request.session.operator
        if after := request.query("after"):
            answer = await asyncio.to_thread(self._log.after, name, after, tracebacks=tracebacks, **chosen)
        else:
            before = request.query("before")
            answer = await asyncio.to_thread(
                self._log.page, name, before=before, tracebacks=tracebacks, **chosen
            )
        return json_response(
            200, {**answer, "server": self._server, "files": NAMES, "tracebacks": tracebacks}
        )

    async def _read_record(self, request: PageRequest) -> Response:
        name, tracebacks = request.query("file") or NAMES[0], request.session.operator
        record = await asyncio.to_thread(self._log.record, name, request.query("at"), tracebacks=tracebacks)
        return json_response(200, record)

    async def _download(self, request: PageRequest) -> Response:
        name = request.query("file") or NAMES[0]
        if not request.session.operator:
            raise ReadOnlyLogin("Only operators may download the log", fix="Read it on the page")
        data = await asyncio.to_thread(self._log.download, name)
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(200, data, headers, "text/plain; charset=utf-8")


def _described(group: ErrorGroup, project: Project | None) -> dict[str, Any]:
    """Return a group of errors as JSON values; times are in seconds since 1970."""
    address = _address(project)
    return {
        "id": group.id,
        "kind": group.kind,
        "message": group.message,
        "fix": group.fix,
        "field": group.field,
        "code": group.code,
        "project": group.project,
        "title": _title(group.project, project),
        "link": f"{address}/data" if address else "",
        "version": group.version,
        "job": group.job,
        "server": group.server,
        "tasks": [
            {
                "id": task,
                "link": f"{address}/data?task={task}" if address and whole_number(task) is not None else "",
            }
            for task in group.tasks
        ],
        "count": group.count,
        "first": group.first / 1000,
        "last": group.last / 1000,
    }


def _address(project: Project | None) -> str:
    """Return the address of a project's page in Label Studio, empty if it is not known."""
    return "" if project is None else project_url(project.hostname, project.project_id)


def _title(uid: str, project: Project | None) -> str:
    return (project.title if project is not None else "") or (
        f"Project {uid.partition('.')[0]}" if uid else ""
    )


def _has(group: ErrorGroup, needle: str, project: Project | None) -> bool:
    """Tell whether a text of a group, in lower case, contains `needle`."""
    texts = (group.message, group.fix, group.field, group.code, group.version, group.job)
    return any(needle in text.casefold() for text in (*texts, _title(group.project, project), *group.tasks))
