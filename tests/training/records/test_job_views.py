"""Job records as clients get them."""

import traceback

from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.job_pages import read_log, write_progress
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.records.job_views import job as job_json
from label_studio_ml.training.records.job_views import jobs, log, without_tracebacks

P = "5.1700000000"


def failed() -> str:
    """Return a traceback of one error in another, with places in files."""
    try:
        try:
            raise ValueError("the first")
        except ValueError as error:
            raise RuntimeError("the second") from error
    except RuntimeError:
        return traceback.format_exc()


def test_a_traceback_is_left_out_and_its_error_stays() -> None:
    lines = ["epoch 1", *failed().splitlines(), "  indented by fit", "epoch 2"]
    shown = [line for line in without_tracebacks(lines, "j1") if line]
    where = "(traceback: see logs/jobs/j1.log)"
    assert shown == [
        *("epoch 1", where, "ValueError: the first"),
        "The above exception was the direct cause of the following exception:",
        *(where, "RuntimeError: the second", "  indented by fit", "epoch 2"),
    ]


def test_a_traceback_whose_beginning_is_not_kept_is_left_out_too() -> None:
    *_, place, code, error = [line for line in failed().splitlines() if "^" not in line]
    assert place.startswith("  File ")
    assert without_tracebacks([place, code, error], "j1") == [None, None, "RuntimeError: the second"]


def test_a_group_of_errors_is_left_out() -> None:
    try:
        raise ExceptionGroup("several", [ValueError("one")])
    except ExceptionGroup:
        lines = traceback.format_exc().splitlines()
    assert not [line for line in without_tracebacks(lines, "j1") if line and "File " in line]


def test_no_route_shows_a_traceback_and_the_numbers_of_lines_stay(job_store: JobStore) -> None:
    job = job_store.record(P, StoredEvent("START_TRAINING", {}))
    lines = ["epoch 1", *failed().splitlines(), "epoch 2"]
    write_progress(job_store, job, {}, points=None, first=0, lines=lines)
    whole = log(job_store, job, 0)
    assert whole is not None
    record = job_json(job_store, job)
    assert record is not None
    (listed,) = jobs(job_store, P, 5)
    for shown in (whole["lines"], record["log"], listed["log"]):
        assert shown[-1] == "epoch 2"
        assert "RuntimeError: the second" in shown
        assert not [line for line in shown if "File " in line or "raise" in line]
    assert len(listed["log"]) == 3
    assert whole["next"] == len(lines) == read_log(job_store, job).next
    after = log(job_store, job, len(lines) - 1)
    assert after is not None
    assert (after["lines"], after["first"], after["next"]) == (["epoch 2"], len(lines) - 1, len(lines))
    middle = log(job_store, job, 4)  # in the traceback
    assert middle is not None
    assert not [line for line in middle["lines"] if "File " in line]
    nothing = log(job_store, job, len(lines))
    assert nothing is not None
    assert (nothing["lines"], nothing["next"]) == ([], len(lines))
