"""Routes of versions: list them, promote one, roll back, and unpin."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from label_studio_ml.errors import RequestError
from label_studio_ml.http_server.messages import Call, Handler, Response, json_response
from label_studio_ml.openapi.declarations.operation import Operation
from label_studio_ml.protocol.requests import parse_object
from label_studio_ml.serving.registry.model_registry import ModelRegistry
from label_studio_ml.versions import operations
from label_studio_ml.versions.listing import entries
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest
from label_studio_ml.web.project_registry import ProjectRegistry
from label_studio_ml.web.routes.calls import version_calls


class VersionRoutes:
    """Handlers of `/versions` and the routes below. A version that is chosen here is served within a second.

    `find` returns the known project that a request names, and raises UnknownProject.
    """

    def __init__(
        self,
        store: VersionStore,
        model_dir: Path,
        registry: ModelRegistry,
        projects: ProjectRegistry,
        find: Callable[[Any], Awaitable[Project]],
    ) -> None:
        self._store = store
        self._model_dir = model_dir
        self._registry = registry
        self._projects = projects
        self._find = find
        self.routes: Mapping[Operation, Handler] = {
            version_calls.VERSIONS: self._versions,
            version_calls.POSTED_VERSIONS: self._versions,
            version_calls.PROMOTE: self._promote,
            version_calls.ROLLBACK: self._rollback,
            version_calls.UNPIN: self._unpin,
        }

    async def _versions(self, call: Call) -> Response:
        """List the versions of a project; without a project, as Label Studio asks, those of all projects."""
        name_or_id = parse_object(call.body).get("project") if call.body else call.parameter("project")
        uids = [(await self._find(name_or_id)).uid] if name_or_id else await self._projects.uids()
        body: version_calls.VersionsAnswer = {"versions": self._names(uids)}
        if len(uids) == 1:
            body["model_version"] = self._registry.version_if_known(uids[0])
            if problem := await asyncio.to_thread(self._store.decision_problem, uids[0]):
                body["problem"] = problem
            if failures := self._registry.failures(uids[0]):
                body["failed"] = failures
        if name_or_id:
            code = self._registry.info.code if self._registry.info is not None else None
            body["details"] = await asyncio.to_thread(entries, self._store, uids[0], code=code)
        return json_response(200, body)

    def _names(self, uids: list[str]) -> list[str]:
        """Return the names for Label Studio's version picker: all versions of each project, newest first."""
        listed: dict[str, None] = {}
        for uid in uids:
            names = [manifest.name for manifest in reversed(self._store.versions(uid))]
            served = self._registry.version_if_known(uid)
            listed.update(dict.fromkeys([*names, *([served] if served else [])]))
        return list(listed)

    async def _promote(self, call: Call) -> Response:
        fields = parse_object(call.body)
        project = await self._find(fields.get("project"))
        version, pin = fields.get("version"), fields.get("pin", False)
        if not isinstance(version, str):
            raise RequestError("version must be the name or id of a version", field="version")
        if not isinstance(pin, bool):
            raise RequestError("pin must be true or false", field="pin")
        chosen = await asyncio.to_thread(
            operations.promote, self._store, self._model_dir, project.uid, version, pinned=pin
        )
        return _served(chosen)

    async def _rollback(self, call: Call) -> Response:
        project = await self._find(parse_object(call.body).get("project"))
        present, previous = await asyncio.to_thread(
            operations.rollback, self._store, self._model_dir, project.uid
        )
        return _served(previous, instead_of=present.name)

    async def _unpin(self, call: Call) -> Response:
        project = await self._find(parse_object(call.body).get("project"))
        return _served(await asyncio.to_thread(operations.unpin, self._store, self._model_dir, project.uid))


def _served(manifest: Manifest | None, **fields: str) -> Response:
    body = {"status": "ok", "model_version": manifest.name if manifest else None, **fields}
    return json_response(200, body)
