"""Decide which Label Studio a `/setup` may set for a project: annotations and task files are read from that host.

With a required login, or with LABEL_STUDIO_URL set, any host is accepted. Otherwise a caller may name a host with a
private address only if the call comes from that address (`studio.peer`), and a host that was confirmed once is not
replaced by one that an unconfirmed caller names.
"""

import ipaddress
import logging
from collections.abc import Mapping
from typing import Any

from label_studio_ml.config.settings import Settings
from label_studio_ml.protocol.requests import SetupRequest
from label_studio_ml.studio.addresses.private_addresses import (
    are_public,
    local_caller,
    parse_address,
    private_addresses,
)
from label_studio_ml.studio.addresses.references import mask
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.web.security.browser_checks import CONTAINER_HOSTS, host_name, is_loopback
from label_studio_ml.web.security.host_names import HostNames

logger = logging.getLogger(__name__)

#: Maximum numbers of remembered messages, and of private addresses per project.
MOST, MOST_ADDRESSES = 1000, 16

#: Headers that proxies add.
_FORWARDED = frozenset({"forwarded", "x-forwarded-for", "x-real-ip", "via"})

#: Value of `Project.private` that stands for any address.
ANY = ("*",)


def sender(peer: str, headers: Mapping[str, str]) -> str:
    """Return the address of a request's sender, empty if a proxy forwarded the request, as `peer` is then the proxy's.

    A proxy on this machine may add no headers: a request from this machine whose Host is not a name of this machine
    counts as forwarded, too.
    """
    address = parse_address(peer)
    if address is None or not _FORWARDED.isdisjoint(headers):
        return ""
    if local_caller(peer) and not _is_for_here(host_name(headers.get("host", "")), address.is_loopback):
        return ""
    return str(address)


def _is_for_here(name: str, over_loopback: bool) -> bool:
    """Return whether a Host is one by which clients on this machine, or in containers on it, reach this server."""
    if is_loopback(name) or name.endswith(".localhost") or name in CONTAINER_HOSTS:
        return True
    if over_loopback or not name:
        return False
    if "." not in name and ":" not in name:  # a container's name
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class SetupHosts:
    """Decides which host is a project's Label Studio. `login` says whether requests need one."""

    def __init__(self, settings: Settings, *, login: bool) -> None:
        self._settings = settings
        self._login = login
        self._names = HostNames()
        self._said: set[tuple[str, ...]] = set()

    async def changes(self, request: SetupRequest, known: Project | None, peer: str) -> dict[str, Any]:
        """Return the project fields (host, token, `private`) which a `/setup` from `peer` changes; empty if none."""
        told = {"hostname": request.hostname, "access_token": request.access_token}
        if self._login:
            return {**told, "private": ANY}
        if self._settings.studio_url or not request.hostname:
            return told
        confirmed = known if known is not None and known.private and known.hostname else None
        same = confirmed is not None and confirmed.hostname == request.hostname
        if confirmed is not None and same:
            unchanged = confirmed.access_token == request.access_token
            if peer in confirmed.private or (confirmed.private == ANY and unchanged):
                return told
        found = await self._names.find(request.hostname)
        private = private_addresses(found or (), peer)
        if confirmed is None:
            if not private and not are_public(found or ()):
                self._say_unconfirmed(request, peer)
            return {**told, "private": private}
        if same and private:
            if confirmed.private == ANY or set(private) <= set(confirmed.private):
                return told
            merged = (*confirmed.private, *(one for one in private if one not in confirmed.private))
            return {**told, "private": merged[-MOST_ADDRESSES:]}
        if same and found is None and local_caller(peer):
            return told
        if private and local_caller(peer):
            return {**told, "private": private}
        if not same or confirmed.access_token != request.access_token:
            self._say_kept(request, confirmed, peer, in_time=found is not None)
        return {}

    def _say_unconfirmed(self, request: SetupRequest, peer: str) -> None:
        self._say(
            request,
            f"Project {request.uid}: /setup came without a login from {peer or 'an unknown address'} and names "
            f"{mask(request.hostname)}, which is elsewhere and has no public address: neither annotations nor "
            f"files are read from there. If that is your Label Studio, set LABEL_STUDIO_URL={mask(request.hostname)}",
        )

    def _say_kept(self, request: SetupRequest, known: Project, peer: str, *, in_time: bool) -> None:
        came = f"Project {request.uid}: /setup came without a login from {peer or 'an unknown address'} and names "
        if not in_time:
            self._say(
                request,
                f"{came}{mask(request.hostname)}, which could not be looked up in time: its token is not taken yet, "
                f"annotations and files are still read from {mask(known.hostname)} with the one before. It is when "
                f"/setup comes again and the name is found; or set LABEL_STUDIO_URL={mask(request.hostname)}",
                "slow",
            )
            return
        self._say(
            request,
            f"{came}{mask(request.hostname)}; annotations and files are still read from {mask(known.hostname)} with "
            f"the token that came from there. If Label Studio has moved, set "
            f"LABEL_STUDIO_URL={mask(request.hostname)}",
        )

    def _say(self, request: SetupRequest, message: str, kind: str = "") -> None:
        """Log a message once for each project, host and `kind`."""
        key = (request.uid, request.hostname, kind)
        if len(self._said) >= MOST:
            self._said.clear()
        if key not in self._said:
            self._said.add(key)
            logger.warning("%s", message)
