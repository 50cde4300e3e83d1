"""A server's way to its job records: connections made when they are needed, and which queue is the backend's."""

import logging
import threading
import time
from collections.abc import Callable

from label_studio_ml.errors import BrokerError
from label_studio_ml.settings import Settings
from label_studio_ml.training.boards import claim_of, open_board, release, say_left_behind
from label_studio_ml.training.jobs import JobBoard, connect
from label_studio_ml.training.mailbox import broker_errors
from label_studio_ml.training.owner import Claim, ForeignQueue

logger = logging.getLogger(__name__)

#: Seconds after which a server says again that it uses its queue.
AGAIN = 5.0


class BoardOnDemand:
    """The job records over connections with the time-outs `patience` (to connect, to answer), in seconds.

    `url` returns the broker's URL, waiting the given number of seconds for it at most. `server` is the id of the server
    process. Safe to use from several threads.
    """

    def __init__(
        self,
        url: Callable[[float], str],
        settings: Settings,
        *,
        patience: tuple[float, float],
        tries: int,
        wait: float,
        server: str = "",
    ) -> None:
        self._url = url
        self._settings = settings
        self._patience, self._tries, self._wait = patience, tries, wait
        self._lock = threading.Lock()
        self._board: JobBoard | None = None
        self._board_url = ""
        self._claim: Claim | None = None
        self._server = server
        self._ended = False
        self._claimed = 0.0

    def get(self) -> JobBoard:
        """Return the job records. Raises BrokerError."""
        url = self._url(self._wait)
        with self._lock:
            if self._ended:
                raise _shutting_down()
            if self._board is None or url != self._board_url:
                self._board = self._opened(url)
                self._board_url = url
            elif self._claim is not None and time.monotonic() - self._claimed > AGAIN:
                self._say_again(self._claim, self._board)
            if self._ended:  # meanwhile: the claim may have come after the queue was given free
                self._give_free()
                raise _shutting_down()
            return self._board

    def drop(self) -> None:
        """Find out anew, with the next use, which queue is the backend's."""
        with self._lock:
            self._board = None

    def end(self) -> None:
        """Have `get` raise from now on, without waiting for one that is under way: it gives the queue free itself."""
        self._ended = True

    def release(self) -> None:
        """Say that this server ends, where it has used its queue; `get` raises from now on. Errors are ignored."""
        self.end()
        with self._lock:
            self._give_free()

    def say_left_behind(self) -> None:
        """Log which events wait on queues that this backend does not use. Raises BrokerError."""
        say_left_behind(self.get())

    def _opened(self, url: str) -> JobBoard:
        embedded = not self._settings.redis_url
        connection = connect(url, patience=self._patience, tries=self._tries)
        board = open_board(connection, self._settings, embedded=embedded, server=self._server)
        self._claim = None if embedded else claim_of(self._settings, self._server)
        self._claimed = time.monotonic()
        return board

    def _give_free(self) -> None:
        if self._board is not None and self._claim is not None:
            release(self._board, self._claim)

    def _say_again(self, claim: Claim, board: JobBoard) -> None:
        with broker_errors():
            other = claim.take(board.redis, board.keys.queue)
        self._claimed = time.monotonic()
        if other is not None:
            self._board = None
            raise ForeignQueue(f"The queue {board.keys.queue} has become another backend's ({other})")


def _shutting_down() -> BrokerError:
    return BrokerError("The backend is shutting down")
