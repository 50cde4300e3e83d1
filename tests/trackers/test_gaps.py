"""What a job's record has of a tracker that lacks something."""

import pytest

from label_studio_ml.config.tracker_settings import TRACKER_TITLES
from label_studio_ml.trackers.gaps import NOT_REACHED, GapList, gap_text, record_of
from label_studio_ml.trackers.messages import Gap

LINK = {"url": "http://tracker/1"}


def test_a_tracker_that_has_everything_has_a_link_only() -> None:
    assert record_of("mlflow", LINK, GapList().gap()) == LINK
    assert gap_text(LINK) == ""


@pytest.mark.parametrize("tracker", TRACKER_TITLES)
def test_each_tracker_has_its_advice(tracker: str) -> None:
    record = record_of(tracker, {}, Gap(problem="it is away"))
    assert (record["missing"], record["problem"]) == ("everything", "it is away")
    assert gap_text(record) == f"{TRACKER_TITLES[tracker]} lacks this training: it is away. {record['fix']}"


def test_a_part_may_be_missing() -> None:
    record = record_of("mlflow", LINK, Gap(problem="it refused a value.", fix="pip install x"))
    assert record["missing"] == "part"
    assert gap_text(record).startswith(
        "MLflow lacks a part of this training: it refused a value. pip install x. What this training logged stays"
    )


def test_a_run_that_begins_needs_no_advice() -> None:
    record = record_of("mlflow", {}, NOT_REACHED)
    assert "fix" not in record
    assert gap_text(record) == "MLflow: it has not been reached yet"


def test_a_delay_may_have_its_own_advice() -> None:
    gaps = GapList()
    gaps.delay("a web page", "Set the address")
    assert record_of("mlflow", {}, gaps.gap())["fix"].startswith("Set the address. What this training logged")
    gaps.delay("")
    assert gaps.gap() == Gap()


def test_a_loss_stays_when_a_delay_ends() -> None:
    gaps = GapList()
    gaps.lose("refused")
    gaps.lose("refused")
    gaps.delay("away")
    assert gaps.gap().problem == "refused; away"
    gaps.delay("")
    assert gaps.gap().problem == "refused"
