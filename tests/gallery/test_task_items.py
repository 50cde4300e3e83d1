"""The items that come with tasks, and the example task of a label config."""

import json
from typing import Any

import pytest

from label_studio_ml.controls import Controls
from label_studio_ml.gallery.task_items import example_task, has_text, items_of_task

CONFIG = """<View><Text name="query" value="$query"/><List name="items" value="$items"/>
<Ranker name="rank" toName="items"/><Choices name="pick" toName="query" value="$options"/>
<Choices name="fixed" toName="query"><Choice value="a"/></Choices></View>"""
TASK: dict[str, Any] = {
    "data": {
        "query": "a text",
        "items": [{"id": "a", "body": "x"}, "no item"],
        "options": [{"value": "1", "html": "<b>y</b>", "children": [{"value": "z"}]}],
    }
}


@pytest.mark.parametrize(
    ("name", "items"),
    [
        ("rank", [{"id": "a", "body": "x"}]),
        ("pick", [{"text": "<b>y</b>"}, {"text": "z"}]),
        ("fixed", []),
    ],
)
def test_the_items_of_a_control(name: str, items: list[Any]) -> None:
    assert items_of_task(Controls(CONFIG)[name], TASK) == items
    assert items_of_task(Controls(CONFIG)[name], {"data": {}}) == []
    assert items_of_task(Controls(CONFIG)[name], {"data": {"items": 3, "options": 4}}) == []


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"id": "a", "title": "b"}, True),
        ({"id": "a", "html": "<img src='b.png'/>"}, False),
        ({"id": "a", "html": "<p>b</p>", "title": ""}, True),
        ({"id": "a", "score": 3, "body": None}, False),
    ],
)
def test_an_item_with_a_text(item: dict[str, Any], expected: bool) -> None:
    assert has_text(item) is expected


@pytest.mark.parametrize(
    ("comment", "task"),
    [
        (f"<!-- {json.dumps(TASK)} -->", TASK),
        (f"<!--{json.dumps(TASK['data'], indent=2)}-->\n", TASK),
        (f"<!-- see below -->{'<!-- {broken} -->'}<!-- {json.dumps(TASK)} -->", TASK),
        ('<!-- {"data": [1]} -->', None),
        ("", None),
    ],
)
def test_the_example_task_is_in_a_comment(comment: str, task: Any) -> None:
    assert example_task(CONFIG + comment) == task
