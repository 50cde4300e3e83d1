"""Which Label Studio a `/setup` may name: annotations and task files are read from that host.

With the login, or where LABEL_STUDIO_URL is set, that is not asked. Without one, a caller may only name a host with a
private address if the call comes from there (`studio.peer`); and a host that was confirmed once is not exchanged for
one that a stranger names.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from label_studio_ml.protocol import SetupRequest
from label_studio_ml.settings import Settings
from label_studio_ml.studio.peer import is_public, local_caller, private_addresses
from label_studio_ml.studio.references import mask
from label_studio_ml.versions.state import Project
from label_studio_ml.web.calls import Call
from label_studio_ml.web.threads import Threads

logger = logging.getLogger(__name__)

#: Seconds that a `/setup` waits until the name of a host has been looked up, and for which that is remembered.
PATIENCE, REMEMBERED = 0.5, 30.0
#: Names that are looked up at once, that are remembered, and addresses that a project's Label Studio may have.
LOOKUPS, MOST, MOST_ADDRESSES = 4, 1000, 16

#: Headers that proxies add.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")

#: Every address.
ANY = ("*",)


def sender(peer: str, headers: Mapping[str, str]) -> str:
    """Return the address that a request was sent from, nothing where a proxy sent it on: `peer` is the proxy's."""
    return "" if any(name in headers for name in _FORWARDED) else peer


class SetupHosts:
    """Decides where the Label Studio of each project is. `login` tells whether calls need one."""

    def __init__(self, settings: Settings, *, login: bool) -> None:
        self._settings = settings
        self._login = login
        self._threads = Threads(LOOKUPS, "names")
        self._known: dict[tuple[str, str], tuple[float, tuple[str, ...]]] = {}
        self._said: set[tuple[str, str]] = set()

    async def changes(self, request: SetupRequest, known: Project | None, call: Call) -> dict[str, Any]:
        """Return what a `/setup` changes of where a project's Label Studio is, and of the token for it."""
        told = {"hostname": request.hostname, "access_token": request.access_token}
        if self._login:
            return {**told, "private": ANY}
        if self._settings.studio_url or not request.hostname:
            return told
        private = await self._private(request.hostname, call.peer)
        if known is None or not known.private or not known.hostname:
            if not private:
                await self._say_unconfirmed(request, call.peer)
            return {**told, "private": private}
        if private and known.hostname == request.hostname:
            if known.private == ANY or set(private) <= set(known.private):
                return told
            merged = (*known.private, *(one for one in private if one not in known.private))
            return {**told, "private": merged[-MOST_ADDRESSES:]}
        if private and local_caller(call.peer):
            return {**told, "private": private}
        if known.hostname != request.hostname or known.access_token != request.access_token:
            self._say_kept(request, known, call.peer)
        return {}

    async def _private(self, hostname: str, peer: str) -> tuple[str, ...]:
        """Return which private addresses the host may have, nothing if that takes too long."""
        key, now = (hostname, peer), time.monotonic()
        at, found = self._known.get(key, (-REMEMBERED, ()))
        if now - at < REMEMBERED:
            return found
        looking = asyncio.ensure_future(self._threads.run(private_addresses, hostname, peer))
        done, _ = await asyncio.wait([looking], timeout=PATIENCE)
        if not done:
            return found
        found = looking.result()
        if len(self._known) >= MOST:
            self._known.clear()
        if found:
            self._known[key] = now, found
        return found

    async def _say_unconfirmed(self, request: SetupRequest, peer: str) -> None:
        if (request.uid, request.hostname) in self._said:
            return
        looking = asyncio.ensure_future(self._threads.run(is_public, request.hostname))
        done, _ = await asyncio.wait([looking], timeout=PATIENCE)
        if done and looking.result():
            return
        self._say(
            request,
            f"Project {request.uid}: /setup came without a login from {peer or 'an unknown address'} and names "
            f"{mask(request.hostname)}, which is elsewhere and has no public address: neither annotations nor "
            f"files are read from there. If that is your Label Studio, set LABEL_STUDIO_URL={mask(request.hostname)}",
        )

    def _say_kept(self, request: SetupRequest, known: Project, peer: str) -> None:
        self._say(
            request,
            f"Project {request.uid}: /setup came without a login from {peer or 'an unknown address'} and names "
            f"{mask(request.hostname)}; annotations and files are still read from {mask(known.hostname)} with the "
            f"token that came from there. If Label Studio has moved, set LABEL_STUDIO_URL={mask(request.hostname)}",
        )

    def _say(self, request: SetupRequest, message: str) -> None:
        """Log a message once for each project and host."""
        key = (request.uid, request.hostname)
        if len(self._said) >= MOST:
            self._said.clear()
        if key not in self._said:
            self._said.add(key)
            logger.warning("%s", message)
