"""The HTTP server: a listening socket, its connections, and their end."""

import asyncio
import socket
from email.utils import formatdate

from label_studio_ml.web.http import Answering, Connection, Site

#: Seconds between two looks at the connections.
SWEEP = 1.0


class Server:
    """Serves `endpoints` until it is told to stop; then what is under way has `drain` seconds to finish."""

    def __init__(self, endpoints: Answering, max_body: int, drain: float) -> None:
        self.site = Site(endpoints, max_body)
        self._drain = drain
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Take no more connections, and end those there are as soon as they are answered."""
        self._stopping.set()

    async def serve(self, listener: socket.socket) -> None:
        """Serve on a listening socket until `stop`, and return when no connection is left."""
        loop = asyncio.get_running_loop()
        self._look()
        server = await loop.create_server(lambda: Connection(self.site), sock=listener, backlog=2048)
        sweeping = asyncio.create_task(self._sweep())
        try:
            await self._stopping.wait()
            self.site.draining = True
            await asyncio.sleep(0.05)  # for those who have connected already
            server.close()
            end = loop.time() + self._drain
            while self.site.connections and (now := loop.time()) < end:
                for connection in list(self.site.connections):
                    connection.drain(now)
                await asyncio.sleep(0.02)
        finally:
            sweeping.cancel()
            server.close()
            for connection in list(self.site.connections):
                connection.abort()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            self._look()

    def _look(self) -> None:
        self.site.date = f"date: {formatdate(usegmt=True)}\r\n".encode()
        now = asyncio.get_running_loop().time()
        for connection in list(self.site.connections):
            connection.sweep(now)
