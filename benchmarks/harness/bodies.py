"""Request bodies: the one captured from a real Label Studio, with as many tasks as wanted."""

import json
from datetime import datetime
from typing import Any

from harness.paths import DATA

TOPICS = ("sport", "politics", "science", "music", "travel")

TEXT_CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="topic" toName="text">'
    + "".join(f'<Choice value="{topic}"/>' for topic in TOPICS)
    + "</Choices></View>"
)

_TEXT = (
    "the match ended after a long night of rain while the band played on near the old harbour and nobody in "
    "parliament could say whether the new telescope would see further than the committee that had paid for it "
    "because trains were late again and the singer missed the final by a minute or two"
)
_WORDS = _TEXT.split()


def captured(name: str = "predict") -> dict[str, Any]:
    """Return the captured body of that name."""
    body: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text())
    return body


def predict(tasks: int = 1, **changes: Any) -> bytes:
    """Return a `/predict` with that many tasks."""
    body = captured()
    body["tasks"] = [{**body["tasks"][0], "id": number, "inner_id": number} for number in range(1, tasks + 1)]
    return encode({**body, **changes})


def texts(count: int) -> list[str]:
    """Return different sentences of 5 to 16 words."""
    made = []
    for number in range(count):
        length = 5 + (number * 7) % 12
        words = [_WORDS[(number * 13 + place * (1 + number % 5)) % len(_WORDS)] for place in range(length)]
        made.append(f"{number}: {' '.join(words)}.")
    return made


def text_predicts(count: int) -> list[bytes]:
    """Return `/predict` bodies of one task each, all with different texts."""
    body = captured()
    return [
        encode(
            {
                **body,
                "tasks": [{**body["tasks"][0], "id": number, "data": {"text": text}}],
                "label_config": TEXT_CONFIG,
            }
        )
        for number, text in enumerate(texts(count))
    ]


def setup(predict_body: bytes, studio: str = "http://127.0.0.1:1") -> bytes:
    """Return the `/setup` that a Label Studio at the URL `studio` sends before that `/predict`."""
    body = json.loads(predict_body)
    return encode(
        {
            "project": body["project"],
            "schema": body["label_config"],
            "hostname": studio,
            "access_token": "benchmark",
            "extra_params": None,
        }
    )


def encode(value: Any) -> bytes:
    """Return `value` as Label Studio's client writes JSON."""
    return json.dumps(value).encode()


def uid(project: dict[str, Any]) -> str:
    """Return the uid that `/setup` and `/predict` give a webhook's project."""
    return f"{project['id']}.{int(datetime.fromisoformat(project['created_at']).timestamp())}"
