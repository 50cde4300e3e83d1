"""Values of structured data: tables, and lists for `<List>` and `<Ranker>`."""

import csv
import io
import json
from typing import Any

from label_studio_ml.samples.field_tree import Use
from label_studio_ml.samples.media import drawings
from label_studio_ml.samples.scripts_of_texts import script_of
from label_studio_ml.samples.value_context import ValueContext
from label_studio_ml.samples.written_texts import sentences, type_and_options


def table(use: Use, context: ValueContext) -> Any:
    """Return a dict, or in every other task a list of rows; with `valueType="csv"` a text, with `…|url` an address."""
    kind, options = type_and_options(use.attributes.get("valuetype", "json"))
    if kind == "csv":
        text = _csv(_rows(context), options)
        return context.place(text.encode(), "csv") if options.get("url") else text
    value: Any = _rows(context) if context.number % 2 else _record(context)
    if options.get("url"):
        return context.place(json.dumps(value, ensure_ascii=False).encode(), "json")
    return value


def _record(context: ValueContext) -> dict[str, Any]:
    rng = context.rng
    return {
        "Card number": rng.randint(10_000_000, 99_999_999),
        "First name": script_of(context.number).names[0],
        "Comment": sentences(context, 1, 1)[0],
        "Amount": round(rng.uniform(1, 900), 2),
        "Paid": rng.random() < 0.5,
        "Address": {"city": "Lisbon", "zip": f"{rng.randint(1000, 9999)}"},
        "Tags": ["new", "vip"],
    }


def _rows(context: ValueContext) -> list[dict[str, Any]]:
    """Return three to six rows of texts and numbers: Label Studio's page shows no lists or dicts within rows."""
    rng = context.rng
    names = script_of(context.number).names
    return [
        {
            "id": row + 1,
            "name": names[row % 2],
            "date": f"2026-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}",
            "amount": round(rng.uniform(1, 900), 2),
        }
        for row in range(rng.randint(3, 6))
    ]


def _csv(rows: list[dict[str, Any]], options: dict[str, Any]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=str(options.get("separator") or ",")[:1], lineterminator="\n")
    if not options.get("headless"):
        writer.writerow(rows[0])
    writer.writerows(row.values() for row in rows)
    return buffer.getvalue().rstrip("\n")  # Label Studio shows an empty line as a row


def ranked_list(use: Use, context: ValueContext) -> list[dict[str, str]]:
    """Return three to five items to rank; with pictures if the name of the field says so."""
    items = []
    for place in range(context.rng.randint(3, 5)):
        item = {"id": f"item-{place + 1}", "title": f"Result {place + 1}"}
        if drawings.named_as_pictures(context.path):
            item["html"] = drawings.as_html(context)
        else:
            item["body"] = script_of(context.number).joint.join(sentences(context, 1, 3))
        items.append(item)
    return items
