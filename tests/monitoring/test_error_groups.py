"""Grouping of errors: what counts as equal, limits, and texts that are hostile."""

import json
from itertools import count

import msgspec
import pytest

from label_studio_ml.monitoring.error_groups import (
    MAX_FIX,
    MAX_MESSAGE,
    MAX_TASKS,
    MAX_TEXT,
    ErrorGroups,
    group_id,
)

HOSTILE = [
    "\0",
    "\x1b[31mred\x1b[0m",
    "<script>alert(1)</script>",
    "\ud800",
    "\u202eabc",
    "",
    "x" * 1_000_000,
]


def groups(limit: int = 200) -> ErrorGroups:
    """Return groups of a server, whose clock advances by a second with each error."""
    clock = count(1)
    return ErrorGroups("host-a", limit=limit, now=lambda: float(next(clock)))


def test_messages_that_differ_in_numbers_and_ids_are_one_group() -> None:
    errors = groups()
    for message in (
        "region 2 of 'box': 17 is too large (job 20261130-101500-9f3a)",
        "region 15 of 'box': 1,200 is too large (job 20261130-111111-0c4b)",
    ):
        errors.add("invalid_prediction", message, project="1.5", tasks=["7"])
    assert [group.count for group in errors.all()] == [2]
    assert errors.all()[0].message.startswith("region 15")
    assert (errors.all()[0].first, errors.all()[0].last) == (1000, 2000)


@pytest.mark.parametrize(
    ("kind", "project", "message"),
    [
        ("training", "1.5", "no memory"),
        ("prediction", "2.5", "no memory"),
        ("prediction", "1.5", "no disk"),
        ("prediction", "", "no memory"),
    ],
)
def test_other_kinds_projects_and_words_are_other_groups(kind: str, project: str, message: str) -> None:
    assert group_id(kind, project, message) != group_id("prediction", "1.5", "no memory")


def test_the_last_tasks_are_kept_each_once() -> None:
    errors = groups()
    for number in (1, 2, 3, 2, 4, 5, 6):
        errors.add("prediction", "it failed", project="1.5", tasks=[str(number)])
    assert errors.all()[0].tasks == ["6", "5", "4", "2", "3"]
    assert len(errors.all()[0].tasks) == MAX_TASKS


def test_the_oldest_group_is_removed_first() -> None:
    errors = groups(limit=3)
    for message in ("alpha", "beta", "gamma", "alpha", "delta"):
        errors.add("prediction", message)
    assert [group.message for group in errors.all()] == ["delta", "alpha", "gamma"]


def test_groups_are_taken_and_put_back() -> None:
    errors = groups()
    errors.add("prediction", "it failed", tasks=["1"])
    taken = errors.take()
    assert len(errors) == 0
    errors.add("prediction", "it failed", tasks=["2"], count=3)
    errors.merge(taken)
    (group,) = errors.all()
    assert (group.count, group.tasks, group.first, group.last) == (4, ["2", "1"], 1000, 2000)


def test_groups_of_a_project_are_forgotten() -> None:
    errors = groups()
    errors.add("prediction", "it failed", project="1.5")
    errors.add("prediction", "it failed", project="2.5")
    errors.forget("1.5")
    assert [group.project for group in errors.all()] == ["2.5"]
    errors.remove([errors.all()[0].id, "unknown"])
    assert errors.all() == []


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_change_only_themselves(text: str) -> None:
    errors = groups()
    errors.add("prediction", text, fix=text, field=text, project=text, version=text, job=text, tasks=[text])
    group = json.loads(msgspec.json.encode(errors.all()[0]))
    assert len(group["message"]) <= MAX_MESSAGE
    assert len(group.get("fix", "")) <= MAX_FIX
    assert max(len(group.get(name, "")) for name in ("field", "project", "version", "job")) <= MAX_TEXT
    shown = text.encode("utf-8", "replace").decode()
    assert group["message"] in (shown, f"{text[: MAX_MESSAGE - 1]}…")
