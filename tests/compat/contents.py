"""Label configs, labelled tasks and pictures of these tests, and what an answer says of them."""

import io
from typing import Any

from PIL import Image

CHOICES = (
    '<View><Text name="text" value="$text"/>'
    '<Choices name="label" toName="text"><Choice value="good"/><Choice value="bad"/></Choices></View>'
)


def choice(label: str) -> list[dict[str, Any]]:
    return [{"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": [label]}}]


def labelled(number: int, text: str, label: str) -> dict[str, Any]:
    annotation = {"id": 100 + number, "was_cancelled": False, "result": choice(label)}
    return {"id": number, "data": {"text": text}, "annotations": [annotation]}


def chosen(entry: dict[str, Any]) -> tuple[Any, ...]:
    (region,) = entry["result"]
    return region["value"]["choices"][0], entry["score"], entry["model_version"]


def picture(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height)).save(file, "PNG")
    return file.getvalue()
