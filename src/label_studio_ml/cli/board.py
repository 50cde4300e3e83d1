"""The job records of a backend, whether it runs or not."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from label_studio_ml.settings import Settings

if TYPE_CHECKING:
    from label_studio_ml.training.jobs import JobBoard

#: Seconds that the broker may take to come up.
_BROKER_TIMEOUT = 40.0


@dataclass(frozen=True, slots=True)
class Reached:
    """A backend's job records. `alone` tells whether no other process of the backend runs beside this one."""

    board: "JobBoard"
    alone: bool


@contextlib.contextmanager
def reach(settings: Settings, *, work: bool = False) -> Iterator[Reached]:
    """Lend the job records of a backend; its embedded broker is started where none runs, and a worker if `work`.

    Raises BrokerError.
    """
    from label_studio_ml.runtime.companion import Companion
    from label_studio_ml.training.boards import open_board
    from label_studio_ml.training.jobs import connect

    if not work:
        settings = replace(settings, workers=0)
    companion = Companion(settings, worker_delay=0, workers=work or not settings.redis_url)
    companion.start()
    try:
        connection = connect(companion.url(_BROKER_TIMEOUT))
        board = open_board(connection, settings, embedded=not settings.redis_url, claiming=work)
        yield Reached(board, companion.owner)
        connection.close()
    finally:
        companion.hurry()
        companion.stop()
