"""List parked events, which were set aside because their trainings failed repeatedly, and queue them again."""

import sys
from datetime import UTC, datetime

from label_studio_ml.cli.shared.open_job_store import OpenJobStore
from label_studio_ml.cli.shared.tables import Column, Row, print_table
from label_studio_ml.cli.shared.units import moment
from label_studio_ml.cli.streams import say


def show(open_jobs: OpenJobStore, uids: list[str]) -> int:
    """Print the parked events of the projects `uids`, and return 0."""
    rows = []
    for uid in uids:
        for parked in open_jobs.job_store.queues.parked(uid):
            milliseconds = int(parked.event.id.partition("-")[0])
            arrived = moment(datetime.fromtimestamp(milliseconds / 1000, UTC))
            rows.append(Row((uid.partition(".")[0], arrived, parked.event.action, parked.why)))
    if rows:
        print_table((Column("PROJECT"), Column("ARRIVED"), Column("EVENT"), Column("WHY")), rows)
    else:
        say("No events are set aside")
    return 0


def retry(open_jobs: OpenJobStore, uids: list[str]) -> int:
    """Queue the parked events of the projects `uids` again; return 0, or 1 if there are none."""
    any_queued = False
    for uid in uids:
        job = open_jobs.job_store.unpark(uid)
        if job is not None:
            any_queued = True
            say(f"Job {job}: training project {uid.partition('.')[0]} on the events that were set aside")
    if not any_queued:
        say("No events are set aside", file=sys.stderr)
        return 1
    if idle_reason := open_jobs.idle():
        say(f"{idle_reason}. The events are trained on once one is running", file=sys.stderr)
    return 0
