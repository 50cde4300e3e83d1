"""Looking up what the hosts that `/setup` names stand for, without a request that waits for long.

Label Studio calls `/setup` whenever a task is opened and waits 3 s for it. Names may be looked up slowly, and a
stranger may name any: each host is looked up once at a time, few wait at once, and what was found is remembered, as is
that nothing was.
"""

import asyncio
from functools import partial
from time import monotonic
from urllib.parse import urlsplit

from label_studio_ml.studio.peer import Address, addresses
from label_studio_ml.web.threads import Threads

#: Seconds that a request waits for a lookup.
PATIENCE = 0.5
#: Seconds for which addresses are remembered, and for which it is that there were none, or none in time.
REMEMBERED, AGAIN = 30.0, 10.0
#: Hosts that are looked up at once, that wait or are looked up, and that are remembered.
LOOKUPS, MOST_LOOKUPS, MOST = 4, 32, 1000


class HostNames:
    """Looks hosts up in threads, and remembers what it found."""

    def __init__(self) -> None:
        self._threads = Threads(LOOKUPS, "names")
        self._known: dict[str, tuple[float, list[Address] | None]] = {}
        self._looking: dict[str, asyncio.Future[list[Address]]] = {}

    async def find(self, url: str) -> list[Address] | None:
        """Return the addresses of the host of `url`, none if it has none; None if that is not known in time."""
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
