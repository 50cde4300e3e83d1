"""Resolve the hosts that `/setup` names, with limits on the time that a request waits.

Label Studio calls `/setup` whenever a task is opened and waits 3 s for the response. A lookup may be slow, and without
a login anyone may name any host. Therefore each host has at most one lookup in progress, the number of lookups is
limited, and results are cached, failed ones as well.
"""

import asyncio
from functools import partial
from time import monotonic
from urllib.parse import urlsplit

from label_studio_ml.studio.addresses.private_addresses import Address, addresses
from label_studio_ml.web.threads import Threads

#: Seconds that a request waits for a lookup.
LOOKUP_WAIT = 0.5
#: Seconds for which addresses are cached, and for which an empty or late result is.
ADDRESS_LIFE, FAILURE_LIFE = 30.0, 10.0
#: Maximum numbers of running lookups, of running and waiting lookups, and of cached hosts.
MAX_RUNNING, MAX_LOOKUPS, MAX_CACHED = 4, 32, 1000


class HostNames:
    """Resolver with a cache; lookups run in threads."""

    def __init__(self) -> None:
        self._threads = Threads(MAX_RUNNING, "names")
        self._cache: dict[str, tuple[float, list[Address] | None]] = {}
        self._lookups: dict[str, asyncio.Future[list[Address]]] = {}

    async def find(self, url: str) -> list[Address] | None:
        """Return the addresses of the host of `url`, empty if it has none.

        If they are not known in time, return the expired ones, or None if there are none.
        """
        host = _host(url)
        if not host:
            return []
        expiry, cached = self._cache.get(host, (0.0, None))
        if monotonic() < expiry:
            return cached
        lookup = self._lookups.get(host)
        if lookup is None:
            if len(self._lookups) >= MAX_LOOKUPS:
                return cached
            lookup = self._lookups[host] = asyncio.ensure_future(self._threads.run(addresses, url))
            lookup.add_done_callback(partial(self._end, host))
        done, _ = await asyncio.wait([lookup], timeout=LOOKUP_WAIT)
        if done:
            return lookup.result()
        self._store(host, cached, FAILURE_LIFE)
        return cached

    def _end(self, host: str, lookup: "asyncio.Future[list[Address]]") -> None:
        self._lookups.pop(host, None)
        if not lookup.cancelled() and lookup.exception() is None:
            resolved = lookup.result()
            self._store(host, resolved, ADDRESS_LIFE if resolved else FAILURE_LIFE)

    def _store(self, host: str, resolved: list[Address] | None, seconds: float) -> None:
        if len(self._cache) >= MAX_CACHED:
            self._cache.clear()
        self._cache[host] = monotonic() + seconds, resolved


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""
