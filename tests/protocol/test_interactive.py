"""What the context of an interactive request says: its task, event, regions and sender."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import captured
from label_studio_ml.protocol.interactive import Interaction, parse_interaction
from label_studio_ml.protocol.requests import parse_predict


def interaction(context: Any, *tasks: dict[str, Any], project: str = "1.1") -> Interaction | None:
    body = {"tasks": tasks or [{"id": 7}], "project": project, "params": {"context": context}}
    return parse_interaction(parse_predict(json.dumps(body).encode()))


def clicked(*regions: str, task: Any = 7, **context: Any) -> Interaction:
    said = interaction({"result": [{"id": region} for region in regions], **context}, {"id": task})
    assert said is not None
    return said


def test_what_label_studio_sends() -> None:
    body = captured("predict_interactive").json
    said = parse_interaction(parse_predict(json.dumps(body).encode()))
    assert said is not None
    assert said.session == "2.1795434258\x003"
    assert (said.event, said.regions) == ("", frozenset()), "its region has no id"


def test_only_interactive_requests_for_one_task_have_a_session() -> None:
    assert interaction(None) is None
    assert interaction({}) is None
    assert interaction({"result": []}, {"id": 1}, {"id": 2}) is None


@pytest.mark.parametrize("task", [{}, {"id": None}, {"id": [1]}, {"id": "x" * 101}])
def test_a_task_without_a_usable_id_has_the_session_of_its_project_for_events_only(task: Any) -> None:
    click, event = interaction({"result": []}, task), interaction({"event": "capabilities"}, task)
    assert click is not None
    assert event is not None
    assert (click.session, event.session) == ("", "1.1")


@pytest.mark.parametrize(
    ("event", "read"),
    [("track", "track"), ("", ""), (None, ""), (False, ""), (0, ""), ({}, ""), (5, "5"), ([1], "[1]")],
)
def test_an_event_is_what_user_code_would_see_as_one(event: Any, read: str) -> None:
    said = interaction({"event": event, "frame": 1})
    assert said is not None
    assert said.event == read


def test_a_click_supersedes_an_older_one_whose_regions_it_has() -> None:
    assert clicked("a", "b").supersedes(clicked("a"))
    assert clicked("a").supersedes(clicked("a")), "the region was moved"
    assert clicked("a", draft_id=3).supersedes(clicked("a", draft_id=None)), "the draft was saved meanwhile"
    assert clicked("a", user_id=1).supersedes(clicked("a", user_id=1))
    assert clicked("a", "a").supersedes(clicked("a", "a")), (
        "shape and label of a region are two results with one id"
    )


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        (clicked("b"), clicked("a")),
        (clicked("a"), clicked("a", "b")),
        (clicked("a"), clicked()),
        (clicked(), clicked()),
        (clicked("a", task=8), clicked("a")),
        (clicked("a", user_id=1), clicked("a", user_id=2)),
        (clicked("a", annotation_id=1), clicked("a", annotation_id=2)),
        (clicked("a"), clicked("a", event="predict")),
        (clicked("a", event="predict"), clicked("a")),
        (clicked("a", event="track"), clicked("a", event="track")),
        (clicked("a", task=None), clicked("a", task=None)),
    ],
)
def test_all_others_count(newer: Interaction, older: Interaction) -> None:
    """Clicks of other annotators and elsewhere in the picture, other tasks, and all events."""
    assert not newer.supersedes(older)


def test_a_region_without_an_id_cannot_be_compared() -> None:
    said = interaction({"result": [{"id": "a"}, {}]})
    assert said is not None
    assert said.regions == frozenset()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.dictionaries(st.sampled_from(["event", "result", "user_id", "frame"]) | st.text(), values, min_size=1),
    values,
)
def test_any_context_is_read(context: dict[str, Any], task_id: Any) -> None:
    said = interaction(context, {"id": task_id})
    assert said is not None
    assert not said.supersedes(said) or said.regions
