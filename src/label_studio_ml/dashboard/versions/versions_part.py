"""The dashboard's routes of versions: list, details, comparison, download, evaluation report, and operations."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from label_studio_ml.dashboard.page_request import PageRequest, Route, Topic
from label_studio_ml.dashboard.versions import version_page_calls
from label_studio_ml.dashboard.versions.archive_download import archive_response
from label_studio_ml.dashboard.versions.project_choice import ProjectChoice
from label_studio_ml.dashboard.versions.report_views import parse_report, report_view
from label_studio_ml.dashboard.versions.side_by_side import compare_versions
from label_studio_ml.dashboard.versions.version_details import version_details
from label_studio_ml.dashboard.versions.version_lists import (
    MAX_PAGE,
    decision_state,
    synchronise,
    version_list,
)
from label_studio_ml.errors import ReadOnlyLogin, RequestError, UnknownVersion
from label_studio_ml.http_server.messages import Response, json_response
from label_studio_ml.user_code.code_identity import CodeIdentity
from label_studio_ml.versions import operations
from label_studio_ml.versions.evaluation_reports import EvaluationReports
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.web.project_registry import ProjectRegistry

logger = logging.getLogger(__name__)

#: The most versions that one request may delete.
MAX_DELETED = 200


class VersionsPart:
    """Routes and topic of the versions. `code` returns the identity of the code that serves, None if unknown.

    `streams`: whether the HTTP server can send archives.
    """

    def __init__(
        self,
        store: VersionStore,
        model_dir: Path,
        projects: ProjectRegistry,
        code: Callable[[], CodeIdentity | None],
        *,
        streams: bool,
    ) -> None:
        self._store = store
        self._model_dir = model_dir
        self._choice = ProjectChoice(store, projects)
        self._code = code
        self._streams = streams
        self.routes = (
            Route(version_page_calls.LIST_VERSIONS, self._list),
            Route(version_page_calls.COMPARE_VERSIONS, self._compare),
            Route(version_page_calls.VERSION, self._details),
            Route(version_page_calls.ARCHIVE, self._archive),
            Route(version_page_calls.EVALUATION, self._evaluation),
            Route(version_page_calls.PROMOTE_VERSION, self._promote),
            Route(version_page_calls.ROLL_BACK, self._rollback),
            Route(version_page_calls.UNPIN_VERSION, self._unpin),
            Route(version_page_calls.DELETE_VERSIONS, self._delete),
        )
        self.topics = (Topic("versions", self._changes, 2.0),)

    async def _list(self, request: PageRequest) -> Response:
        project = await self._choice.find(request.path["project"])
        offset = request.number("offset", 0, least=0, most=1_000_000)
        limit = request.number("limit", 25, least=1, most=MAX_PAGE)
        search = request.query("search")[:300]
        listed = await asyncio.to_thread(
            version_list, self._store, project.uid, self._code(), search=search, offset=offset, limit=limit
        )
        return json_response(200, {"project": self._choice.description(project), **listed})

    async def _details(self, request: PageRequest) -> Response:
        project = await self._choice.find(request.path["project"])
        details = await asyncio.to_thread(
            version_details, self._store, project.uid, request.path["version"], self._code()
        )
        return json_response(200, {"project": self._choice.description(project), **details})

    async def _compare(self, request: PageRequest) -> Response:
        """Compare the versions in `versions`: ids, separated by commas."""
        project = await self._choice.find(request.path["project"])
        names = [name for name in request.query("versions").split(",") if name]
        compared = await asyncio.to_thread(compare_versions, self._store, project.uid, names)
        return json_response(200, {"project": self._choice.description(project), **compared})

    async def _archive(self, request: PageRequest) -> Response:
        if not request.session.operator:
            raise ReadOnlyLogin(
                f"{request.session.name} may only look",
                fix="Log in as the user in BASIC_AUTH_USER to download",
            )
        if not self._streams:
            detail = (
                "This server sends no archives. "
                "Use label-studio-ml export DIR VERSION --output FILE.tar.gz in its place"
            )
            return json_response(501, {"status": 501, "detail": detail})
        project = await self._choice.find(request.path["project"])
        manifest = await asyncio.to_thread(operations.find, self._store, project.uid, request.path["version"])
        logger.info("Project %s: version %s is downloaded%s", project.uid, manifest.name, _by(request))
        return await archive_response(self._store, manifest)

    async def _evaluation(self, request: PageRequest) -> Response:
        """Return the newest evaluation report of a version, or of the untrained model by its name."""
        project = await self._choice.find(request.path["project"])
        name = request.path["version"]

        def read() -> dict[str, Any]:
            synchronise(self._store, project.uid)
            reports = EvaluationReports(self._store)
            data = reports.get(project.uid, name)
            if data is None:
                version = operations.find(self._store, project.uid, name)
                data = reports.get(project.uid, version.id)
            if data is None:
                raise UnknownVersion(
                    f"Version {name[:80]!r} has not been evaluated yet",
                    fix="Start an evaluation",
                    field="version",
                )
            return report_view(parse_report(data), project.hostname, project.project_id)

        return json_response(200, await asyncio.to_thread(read))

    async def _promote(self, request: PageRequest) -> Response:
        pin = request.fields().get("pin", False)
        if not isinstance(pin, bool):
            raise RequestError("pin must be true or false", field="pin")
        uid = (await self._choice.find(request.path["project"])).uid
        version = await asyncio.to_thread(
            operations.promote, self._store, self._model_dir, uid, request.text("version"), pinned=pin
        )
        pinned = " and pinned" if pin else ""
        logger.info("Project %s: version %s is promoted%s%s", uid, version.name, pinned, _by(request))
        return await self._state(uid, done=f"Version {version.name} is promoted{pinned}")

    async def _rollback(self, request: PageRequest) -> Response:
        uid = (await self._choice.find(request.path["project"])).uid
        present, target = await asyncio.to_thread(operations.rollback, self._store, self._model_dir, uid)
        logger.info("Project %s: rolled back to version %s%s", uid, target.name, _by(request))
        return await self._state(uid, done=f"Version {target.name} is served instead of {present.name}")

    async def _unpin(self, request: PageRequest) -> Response:
        uid = (await self._choice.find(request.path["project"])).uid
        served = await asyncio.to_thread(operations.unpin, self._store, self._model_dir, uid)
        logger.info("Project %s: unpinned%s", uid, _by(request))
        name = f"version {served.name}" if served is not None else "the untrained model"
        return await self._state(uid, done=f"Unpinned: {name} is served until a newer one replaces it")

    async def _delete(self, request: PageRequest) -> Response:
        names = _names(request.fields().get("versions"))
        uid = (await self._choice.find(request.path["project"])).uid
        deleted = await asyncio.to_thread(operations.delete, self._store, uid, names)
        logger.info("Project %s: deleted %s%s", uid, ", ".join(deleted), _by(request))
        return await self._state(uid, done=f"Deleted {', '.join(deleted)}")

    async def _state(self, uid: str, *, done: str) -> Response:
        state = await asyncio.to_thread(decision_state, self._store, uid)
        return json_response(200, {"status": "ok", "done": done, **state})

    async def _changes(self, subject: str) -> dict[str, Any]:
        """Return what changes when a version of the project `subject` is made, promoted, deleted, or fails to load."""
        project = await self._choice.find(subject)

        def read() -> dict[str, Any]:
            return {
                "hint": self._store.hint(project.uid),
                "failed": sorted(self._store.failures(project.uid)),
                "served": decision_state(self._store, project.uid)["served"],
            }

        return await asyncio.to_thread(read)


def _names(value: Any) -> list[str]:
    if (
        not isinstance(value, list)
        or not 1 <= len(value) <= MAX_DELETED
        or not all(isinstance(name, str) and name for name in value)
    ):
        raise RequestError(f"versions must be a list of 1 to {MAX_DELETED} names or ids", field="versions")
    return value


def _by(request: PageRequest) -> str:
    """Return the end of a log line that says who acted on the dashboard."""
    return f" on the dashboard by {request.session.name!r}" if request.session.name else " on the dashboard"
