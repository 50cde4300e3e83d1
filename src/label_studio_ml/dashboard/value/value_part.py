"""Route of the last report of `label-studio-ml value` on a project."""

from collections.abc import Sequence

from label_studio_ml.dashboard.page_request import PageRequest, Route, Topic
from label_studio_ml.dashboard.value import value_calls
from label_studio_ml.errors import UnknownProject
from label_studio_ml.http_server.messages import Response, json_response
from label_studio_ml.reports.value_reports import ValueReports
from label_studio_ml.web.project_registry import ProjectRegistry
from label_studio_ml.web.threads import Threads


class ValuePart:
    """Shows what `label-studio-ml value` has stored. Without Redis, `reports` is None and there is no report."""

    def __init__(self, reports: ValueReports | None, projects: ProjectRegistry) -> None:
        self._reports = reports
        self._projects = projects
        self._threads = Threads(1, "value")
        self.routes: Sequence[Route] = (Route(value_calls.VALUE, self._report),)
        self.topics: Sequence[Topic] = ()

    async def _report(self, request: PageRequest) -> Response:
        """Return `report`, null if there is none yet, and `studio`, the address of the project's Label Studio."""
        uid = request.query("project")
        project = await self._projects.get(uid)
        if project is None:
            raise UnknownProject(f"There is no project {uid}", field="project")
        report = await self._threads.run(self._reports.get, uid) if self._reports is not None else None
        head = json_response(200, {"title": project.title, "studio": project.hostname}).body
        return Response(200, head[:-1] + b',"report":' + (report or b"null") + b"}")
