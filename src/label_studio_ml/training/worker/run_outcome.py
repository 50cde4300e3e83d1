"""Write the outcome of a run to its record, and remove its events, with retries while Redis refuses."""

import logging
import time
from collections.abc import Mapping, Sequence

from label_studio_ml.errors import BrokerError
from label_studio_ml.storage.retries import retry
from label_studio_ml.training.policy import Entry
from label_studio_ml.training.records.job_board import JobBoard
from label_studio_ml.training.scheduling.lease import Lease

logger = logging.getLogger(__name__)

#: Seconds during which the write is tried again.
PATIENCE = 10.0


def settle_patiently(
    board: JobBoard, lease: Lease, uid: str, job_id: str, done: Sequence[Entry], fields: Mapping[str, object]
) -> None:
    """Write the outcome `fields` of a run, and remove the events `done`; retry for PATIENCE seconds.

    The retries are for a Redis whose disk was full: it accepts writes again only a moment after there is space. The
    lease is renewed before each retry. Raises BrokerError if no try succeeds, and LeaseLost.
    """

    def wait(seconds: float) -> None:
        time.sleep(seconds)
        lease.renew()

    retry(
        lambda: board.settle(uid, job_id, [entry.id for entry in done], **fields),
        on=BrokerError,
        seconds=PATIENCE,
        first=0.2,
        failed=lambda error: logger.warning("Job %s: its outcome cannot be written yet: %s", job_id, error),
        sleep=wait,
    )
