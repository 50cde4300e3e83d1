"""Tasks for the regions of every control tag, and what pages show of numbers, for tests of the builders."""

from typing import Any

from label_studio_ml.controls import Controls
from label_studio_ml.test_kit.example_regions import REGIONS, SIZE, build

__all__ = ["EXAMPLES", "REGIONS", "SHOWN_NUMBERS", "SIZE", "build", "task_for"]

Task = dict[str, Any]

#: Numbers and a truth value in the data of a task, and what the page shows of them in a `<Text>`.
SHOWN_NUMBERS: dict[float, str] = {
    True: "true",
    5: "5",
    2024.0: "2024",
    -0.5: "-0.5",
    -0.0: "0",
    9007199254740991.0: "9007199254740991",
    9007199254740992.0: "9007199254740992.0",
    -9007199254740994.0: "-9007199254740994.0",
    2251799813685249.5: "2251799813685249.5",
    1e15: "1000000000000000",
    1e16: "1e+16",
    12345678901234567.0: "1.2345678901234568e+16",
    1e20: "1e+20",
    -1e20: "-1e+20",
    1e21: "1e+21",
    1e-6: "0.000001",
    1.5e-9: "1.5e-9",
    1e-7: "1e-7",
    123456789.125: "123456789.125",
    9007199254740993: "9007199254740993",
    12345678901234567890: "12345678901234567890",
    10**25: "10000000000000000000000000",
}

#: What the example of each object tag shows.
EXAMPLES: dict[str, Any] = {
    "Text": "Ann saw 😀 Bob",
    "HyperText": "<p>Ann &amp; Bob</p><p>met</p>",
    "Paragraphs": [{"author": "Ann", "text": "Hello there"}, {"author": "Bob", "text": "Good bye"}],
    "List": [{"id": "a", "title": "A"}, {"id": 2, "title": "B"}, {"id": "c", "title": "C"}],
    "Chat": [],
}


def task_for(controls: Controls) -> Task:
    """Return a task with a value for each field that the label config names."""
    data: dict[str, Any] = {}
    for item in controls.objects:
        if item.field:
            data[item.field] = EXAMPLES.get(item.tag, f"https://example.org/{item.tag}")
    for control in controls:
        if control.labels_field:
            data[control.labels_field] = [{"value": "First"}, {"value": "Second"}]
    return {"id": 1, "data": data}
