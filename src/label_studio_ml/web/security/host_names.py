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
PATIENCE = 0.5
#: Seconds for which addresses are cached, and for which an empty or late result is.
REMEMBERED, AGAIN = 30.0, 10.0
#: Maximum numbers of running lookups, of running and waiting lookups, and of cached hosts.
LOOKUPS, MOST_LOOKUPS, MOST = 4, 32, 1000


class HostNames:
    """Resolver with a cache; lookups run in threads."""

    def __init__(self) -> None:
        self._threads = Threads(LOOKUPS, "names")
        self._known: dict[str, tuple[float, list[Address] | None]] = {}
        self._looking: dict[str, asyncio.Future[list[Address]]] = {}

    async def find(self, url: str) -> list[Address] | None:
        """Return the addresses of the host of `url`, empty if it has none.

        If they are not known in time, return the expired ones, or None if there are none.
        """
        host = _host(url)
        if not host:
            return []
        until, found = self._known.get(host, (0.0, None))
        if monotonic() < until:
            return found
        looking = self._looking.get(host)
        if looking is None:
            if len(self._looking) >= MOST_LOOKUPS:
                return found
            looking = self._looking[host] = asyncio.ensure_future(self._threads.run(addresses, url))
            looking.add_done_callback(partial(self._end, host))
        done, _ = await asyncio.wait([looking], timeout=PATIENCE)
        if done:
            return looking.result()
        self._remember(host, found, AGAIN)
        return found

    def _end(self, host: str, looking: "asyncio.Future[list[Address]]") -> None:
        self._looking.pop(host, None)
        if not looking.cancelled() and looking.exception() is None:
            found = looking.result()
            self._remember(host, found, REMEMBERED if found else AGAIN)

    def _remember(self, host: str, found: list[Address] | None, seconds: float) -> None:
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[host] = monotonic() + seconds, found


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""
