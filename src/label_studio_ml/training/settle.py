"""Writing the outcome of a run into its record, and removing its events with it."""

import logging
import time
from collections.abc import Mapping, Sequence

from label_studio_ml.errors import BrokerError
from label_studio_ml.training.jobs import JobBoard
from label_studio_ml.training.lease import Lease
from label_studio_ml.training.policy import Entry

logger = logging.getLogger(__name__)

#: Seconds for which the outcome of a run is written again where Redis refuses it.
PATIENCE = 10.0


def settle_patiently(
    board: JobBoard, lease: Lease, uid: str, job_id: str, done: Sequence[Entry], fields: Mapping[str, object]
) -> None:
    """Write a run's outcome; a Redis whose disk was full takes it only a moment after there is room again.

    Raises BrokerError when it does not, and LeaseLost.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            board.settle(uid, job_id, [entry.id for entry in done], **fields)
            return
        except BrokerError as error:
            if time.monotonic() > deadline:
                raise
            logger.warning("Job %s: its outcome cannot be written yet: %s", job_id, error)
        time.sleep(0.2)
        lease.renew()
