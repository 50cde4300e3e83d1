"""The messages of all errors: the fixed words of each, with `…` for its values.

`scripts/message_templates` reads them from the package's source and writes them into `messages.json`.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "messages.json"

#: What stands for a value in a template.
VALUE = "…"


@dataclass(frozen=True, slots=True, order=True)
class Template:
    """The message of an error with `code`, and its `fix`, which may be empty."""

    code: str
    message: str
    fix: str


@cache
def templates() -> tuple[Template, ...]:
    """Return the templates of all messages, in the order of their codes."""
    return tuple(Template(*fields) for fields in json.loads(FILE.read_text(encoding="utf-8")))


def as_json(listed: Iterable[Template]) -> str:
    """Return the text of `messages.json`, with a line for each template."""
    lines = (
        json.dumps([template.code, template.message, template.fix], ensure_ascii=False) for template in listed
    )
    return "[\n" + ",\n".join(lines) + "\n]\n"
