"""Decide which Label Studio a `/setup` may set for a project: annotations and task files are read from that host.

With a required login, or with LABEL_STUDIO_URL set, any host is accepted. Otherwise a caller may name a host with a
private address only if the call comes from that address (`studio.peer`), and a host that was confirmed once is not
replaced by one that an unconfirmed caller names.
"""

import logging
from collections.abc import Mapping
from typing import Any

from label_studio_ml.config.settings import Settings
from label_studio_ml.protocol.requests import SetupRequest
from label_studio_ml.studio.addresses.private_addresses import (
    are_public,
    is_loopback,
    local_caller,
    parse_address,
    private_addresses,
)
from label_studio_ml.support.url_secrets import mask
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.web.security.browser_checks import CONTAINER_HOSTS, host_name, is_address
from label_studio_ml.web.security.host_names import HostNames

logger = logging.getLogger(__name__)

#: Maximum numbers of remembered messages, and of private addresses per project.
MAX_MESSAGES, MAX_ADDRESSES = 1000, 16

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
    if local_caller(peer) and not _is_own_name(host_name(headers.get("host", "")), address.is_loopback):
        return ""
    return str(address)


def _is_own_name(name: str, over_loopback: bool) -> bool:
    """Return whether a Host is one by which clients on this machine, or in containers on it, reach this server."""
    if is_loopback(name) or name.endswith(".localhost") or name in CONTAINER_HOSTS:
        return True
    if over_loopback or not name:
        return False
    if "." not in name and ":" not in name:  # a container's name
        return True
    return is_address(name)


class SetupHosts:
    """Decides which host is a project's Label Studio. `login` says whether requests need one."""

    def __init__(self, settings: Settings, *, login: bool) -> None:
        self._settings = settings
        self._login = login
        self._names = HostNames()
        self._logged: set[tuple[str, ...]] = set()

    async def changes(self, request: SetupRequest, stored: Project | None, peer: str) -> dict[str, Any]:
        """Return the project fields (host, token, `private`) which a `/setup` from `peer` changes; empty if none."""
        requested = {"hostname": request.hostname, "access_token": request.access_token}
        if self._login:
            return {**requested, "private": ANY}
        if self._settings.studio_url or not request.hostname:
            return requested
        confirmed = stored if stored is not None and stored.private and stored.hostname else None
        same = confirmed is not None and confirmed.hostname == request.hostname
        if confirmed is not None and same:
            unchanged = confirmed.access_token == request.access_token
            if peer in confirmed.private or (confirmed.private == ANY and unchanged):
                return requested
        addresses = await self._names.find(request.hostname)
        private = private_addresses(addresses or (), peer)
        if confirmed is None:
            if not private and not are_public(addresses or ()):
                self._log_unconfirmed(request, peer)
            return {**requested, "private": private}
        if same and private:
            if confirmed.private == ANY or set(private) <= set(confirmed.private):
                return requested
            merged = (
                *confirmed.private,
                *(address for address in private if address not in confirmed.private),
            )
            return {**requested, "private": merged[-MAX_ADDRESSES:]}
        if same and addresses is None and local_caller(peer):
            return requested
        if private and local_caller(peer):
            return {**requested, "private": private}
        if not same or confirmed.access_token != request.access_token:
            self._log_unchanged(request, confirmed, peer, in_time=addresses is not None)
        return {}

    def _log_unconfirmed(self, request: SetupRequest, peer: str) -> None:
        self._log_once(
            request,
            f"Project {request.uid}: /setup came without a login from {peer or 'an unknown address'} and names "
            f"{mask(request.hostname)}, whose address is neither public nor the sender's: neither annotations "
            f"nor files are read from it. If that is your Label Studio, set LABEL_STUDIO_URL={mask(request.hostname)}",
        )

    def _log_unchanged(self, request: SetupRequest, stored: Project, peer: str, *, in_time: bool) -> None:
        beginning = f"Project {request.uid}: /setup came without a login from {peer or 'an unknown address'} and names "
        if not in_time:
            self._log_once(
                request,
                f"{beginning}{mask(request.hostname)}, whose address was not found in time: its token is not used yet, "
                f"and annotations and files are still read from {mask(stored.hostname)} with the previous token. "
                f"The next /setup tries again. To use it at once, set LABEL_STUDIO_URL={mask(request.hostname)}",
                "slow",
            )
            return
        self._log_once(
            request,
            f"{beginning}{mask(request.hostname)}; annotations and files are still read from {mask(stored.hostname)} "
            f"with its own token. If Label Studio has moved, set "
            f"LABEL_STUDIO_URL={mask(request.hostname)}",
        )

    def _log_once(self, request: SetupRequest, message: str, kind: str = "") -> None:
        """Log a message once for each project, host and `kind`."""
        key = (request.uid, request.hostname, kind)
        if len(self._logged) >= MAX_MESSAGES:
            self._logged.clear()
        if key not in self._logged:
            self._logged.add(key)
            logger.warning("%s", message)
