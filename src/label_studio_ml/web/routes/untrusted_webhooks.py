"""Handle webhook events without the login that this backend requires.

Label Studio's own webhooks carry no login, and anyone may send such an event. Responses must therefore not reveal
whether a project is known: status and body are the same, Redis is queried as well, and the time is rounded up.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection

from label_studio_ml.errors import NotAuthorized, RequestError
from label_studio_ml.http_server.messages import Response, json_response
from label_studio_ml.protocol.requests import Event
from label_studio_ml.serving.registry.model_registry import ModelRegistry
from label_studio_ml.web.project_registry import ProjectRegistry
from label_studio_ml.web.webhook_receipts import WebhookReceipts

#: Seconds to a multiple of which the time until the response is rounded up.
STEP = 0.02


class UntrustedEvents:
    """Handler of events without the login.

    `hand_in` stores an event of a known project; `simulate_hand_in`, for other events, takes as long and stores
    nothing.
    """

    def __init__(
        self,
        projects: ProjectRegistry,
        registry: ModelRegistry,
        receipts: WebhookReceipts,
        hand_in: Callable[[Event], Awaitable[object]],
        simulate_hand_in: Callable[[Event], Awaitable[object]],
    ) -> None:
        self._projects = projects
        self._registry = registry
        self._receipts = receipts
        self._hand_in = hand_in
        self._rehearse = simulate_hand_in

    async def respond(self, event: Event, training: Collection[str]) -> Response:
        """Return the response to an event; `training` has the actions that start a training.

        An event of a project that never called `/setup` with the login is not stored; of others, only ids are. Raises
        NotAuthorized, RequestError, and what `hand_in` raises.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            return await self._respond(event, training)
        finally:
            await asyncio.sleep(STEP - (loop.time() - began) % STEP)

    async def _respond(self, event: Event, training: Collection[str]) -> Response:
        if event.action == "START_TRAINING":
            raise NotAuthorized("START_TRAINING needs this backend's user and password")
        is_known = bool(event.uid) and await self._projects.get(event.uid) is not None
        if is_known:
            await self._receipts.note(event.uid, event.action, authorized=False)
        if response := starts_nothing(event, training, self._registry):
            return response
        await (self._hand_in(event) if is_known else self._rehearse(event))
        detail = (
            "The event came without the login: it is used if its project has called /setup with the login"
        )
        return json_response(202, {"status": "accepted", "job": None, "detail": detail})


def starts_nothing(event: Event, training: Collection[str], registry: ModelRegistry) -> Response | None:
    """Return the response to an event that starts no training; None if it starts one.

    `training` has the actions that start one. Raises RequestError for such an action without a project.
    """
    if event.action not in training:
        return json_response(200, {"status": "ok", "detail": f"{event.action} starts no training"})
    if not event.uid:
        raise RequestError("project is missing", field="project")
    info = registry.info
    if info is not None and info.generation == "none":
        return json_response(200, {"status": "ignored", "detail": f"{info.name} has no fit method"})
    return None
