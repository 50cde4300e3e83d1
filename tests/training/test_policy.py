"""Whether a run is due."""

from itertools import product
from pathlib import Path

import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.model_calls.adapter import ClassInfo
from label_studio_ml.training.policy import RECOUNT_INTERVAL, Decision, Entry, Policy, Tally, decide, order

NOW = 1_000_000


def _tally(annotations: int = 1, *, asked: bool = False, ago: int = 0) -> Tally:
    return Tally(asked=asked, annotations=annotations, last=NOW - ago)


def test_by_default_every_event_trains() -> None:
    for annotations, ago, labelled in product((0, 1, 100), (0, 10), (None, 0, 5)):
        assert decide(Policy(), _tally(annotations, ago=ago), NOW, labelled) == Decision(due=True)


def test_the_button_always_trains() -> None:
    for every, quiet, least, labelled in product((0, 1, 10), (0.0, 60.0), (0, 10), (None, 0)):
        policy = Policy(train_every=every, quiet_period=quiet, min_annotations=least)
        assert decide(policy, _tally(0, asked=True), NOW, labelled).due


def test_manual_only() -> None:
    decision = decide(Policy(train_every=0), _tally(100, ago=10**6), NOW, 100)
    assert (decision.due, decision.need, decision.at) == (False, None, None)
    assert "button" in decision.message


@pytest.mark.parametrize("annotations", range(13))
def test_so_many_annotations(annotations: int) -> None:
    decision = decide(Policy(train_every=10), _tally(annotations), NOW, None)
    assert decision.due == (annotations >= 10)
    if not decision.due:
        assert (decision.need, decision.at) == (10 - annotations, None)
        assert decision.message == f"waits for new annotations: {annotations} of 10 (train_every)"


@pytest.mark.parametrize("labelled", [None, *range(7)])
def test_so_many_labelled_tasks(labelled: int | None) -> None:
    decision = decide(Policy(min_annotations=5), _tally(1), NOW, labelled)
    assert decision.due == (labelled is None or labelled >= 5), "what is not known holds nothing up"
    if not decision.due:
        assert labelled is not None
        assert (decision.need, decision.at) == (5 - labelled, NOW + RECOUNT_INTERVAL)
        assert decision.message == f"waits for labelled tasks: {labelled} of 5 (min_annotations)"


@pytest.mark.parametrize(("ago", "due"), [(0, False), (1999, False), (2000, True), (5000, True)])
def test_a_quiet_time(ago: int, due: bool) -> None:
    decision = decide(Policy(quiet_period=2.0), _tally(1, ago=ago), NOW, None)
    assert decision.due == due
    if not due:
        assert (decision.need, decision.at) == (None, NOW - ago + 2000)
        assert decision.message == "waits until no event has come for 2 s (quiet_period)"


@pytest.mark.parametrize("quiet", [0.0, 2.0])
@pytest.mark.parametrize("ahead", [2001, 86_400_000])
def test_a_last_event_from_the_future_counts_as_quiet(ahead: int, quiet: float) -> None:
    """The clock was set back: nobody waits for the day on which it comes that far again."""
    assert decide(Policy(quiet_period=quiet), _tally(1, ago=-ahead), NOW, None).due


def test_an_event_that_came_while_the_clock_was_asked_is_waited_for() -> None:
    decision = decide(Policy(quiet_period=2.0), _tally(1, ago=-3), NOW, None)
    assert (decision.due, decision.at) == (False, NOW + 3 + 2000)


def test_everything_has_to_be_there() -> None:
    """Of each combination: due if and only if all three are met, and there is always a way on."""
    policy = Policy(train_every=3, quiet_period=1.0, min_annotations=4)
    for annotations, ago, labelled in product(range(6), (0, 500, 1000, 2000), range(7)):
        decision = decide(policy, _tally(annotations, ago=ago), NOW, labelled)
        assert decision.due == (annotations >= 3 and ago >= 1000 and labelled >= 4)
        if decision.due:
            continue
        assert decision.need is not None or decision.at is not None
        if decision.need is not None:
            assert decision.need == max(3 - annotations, 4 - labelled)
            after = decide(
                policy, _tally(annotations + decision.need, ago=ago), NOW, labelled + decision.need
            )
            assert after.need is None, "what it asks for is enough"
        else:
            assert decision.at is not None
            assert decide(policy, _tally(annotations, ago=ago), decision.at, labelled).due


def test_counting_what_waits() -> None:
    entries = [Entry("5-0", "ANNOTATION_CREATED", 1), Entry("7-3", "ANNOTATIONS_CREATED", 40)]
    assert Tally.of(entries) == Tally(annotations=41, last=7)
    assert Tally.of([*entries, Entry("9-0", "START_TRAINING", 0)]) == Tally(
        asked=True, annotations=41, last=9
    )
    assert sorted(["10-0", "9-5", "9-11"], key=order) == ["9-5", "9-11", "10-0"]


def test_settings_win_over_the_class() -> None:
    info = ClassInfo(
        name="M", generation="seed", train_events=(), train_every=5, quiet_period=1.0, min_annotations=2
    )
    assert Policy.of(info, Settings(backend_dir=Path())) == Policy(
        train_every=5, quiet_period=1.0, min_annotations=2
    )
    settings = Settings(backend_dir=Path(), train_every=0, quiet_period=0.0, min_annotations=0)
    assert Policy.of(info, settings) == Policy(train_every=0)
