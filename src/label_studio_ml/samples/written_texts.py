"""Texts: plain, HTML and Markdown; in the task, or as files for `valueType="url"`."""

import base64
import csv
import html
import io
from typing import Any

from label_studio_ml.samples.field_tree import Use
from label_studio_ml.samples.scripts_of_texts import SCRIPTS, Script, script_of
from label_studio_ml.samples.value_context import ValueContext
from label_studio_ml.support.texts import whole_number

#: The largest number of a column of a CSV file that a `resolver` reads.
_MAX_COLUMN = 100


def sentences(context: ValueContext, least: int, most: int, script: Script | None = None) -> list[str]:
    """Return between `least` and `most` different sentences of the task's script; fewer if it has fewer."""
    script = script or script_of(context.number)
    count = min(context.rng.randint(least, most), len(script.sentences))
    return context.rng.sample(script.sentences, count)


def plain(use: Use, context: ValueContext) -> str:
    """Return a text of one to four sentences."""
    script = _script(use, context)
    return _delivered(script.joint.join(sentences(context, 1, 4, script)), use, context, "txt")


def hypertext(use: Use, context: ValueContext) -> str:
    """Return a page of HTML: headings, nested and empty tags, entities, a list and a table."""
    script = _script(use, context)
    escaped = [html.escape(sentence, quote=False) for sentence in sentences(context, 3, 6, script)]
    heading, first, *rest = escaped
    direction = ' dir="rtl"' if script.is_right_to_left else ""
    words = first.split(" ")
    middle = len(words) // 2
    paragraph = f"{' '.join(words[:middle])} <b>{' '.join(words[middle:])}</b>"
    parts = [
        f"<h2>{heading}</h2>",
        f"<p>{paragraph}<br/>No. {context.rng.randint(1, 99)} &amp; <i>&copy; 2026</i></p>",
        "<ul>" + "".join(f"<li>{sentence}</li>" for sentence in rest) + "</ul>",
    ]
    if context.rng.random() < 0.5:
        cells = "".join(
            f"<tr><td>{row}</td><td>{context.rng.randint(1, 500)}</td></tr>" for row in ("A", "B")
        )
        parts.append(f"<!-- figures --><table><tr><th>Item</th><th>Price</th></tr>{cells}</table>")
    return _delivered(f"<div{direction}>\n" + "\n".join(parts) + "\n</div>", use, context, "html")


def markdown(use: Use, context: ValueContext) -> str:
    """Return a text of Markdown with a heading, emphasis and a list."""
    heading, *rest = sentences(context, 2, 4)
    lines = [f"## {heading.splitlines()[0]}", "", f"**{context.rng.randint(2, 9)}** points:", ""]
    return "\n".join(lines + [f"- {' '.join(sentence.split())}" for sentence in rest])


def _script(use: Use, context: ValueContext) -> Script:
    if use.attributes.get("encoding") == "base64":
        return SCRIPTS[0]  # Label Studio takes each decoded byte for a character
    return script_of(context.number)


def _delivered(text: str, use: Use, context: ValueContext, extension: str) -> str:
    """Return the text as the tag's attributes want it: encoded, as a CSV for its resolver, or as a file's address."""
    if use.attributes.get("encoding") in {"base64", "base64unicode"}:
        text = base64.b64encode(text.encode()).decode()
    if resolver := use.attributes.get("resolver"):
        return context.place(_csv(text, resolver).encode(), "csv")
    if use.attributes.get("valuetype", "").lower() == "url":
        return context.place(text.encode(), extension)
    return text


def type_and_options(text: str) -> tuple[str, dict[str, Any]]:
    """Parse a `valueType` or `resolver` such as `csv|separator=;|headless`: the type, then its options.

    Options without a value are True. As in Label Studio, the character after the type separates the options.
    """
    kind = text[: next((place for place, letter in enumerate(text) if not letter.isalnum()), len(text))]
    rest = text[len(kind) :]
    options: dict[str, Any] = {}
    for part in rest[1:].split(rest[0]) if rest else ():
        key, equals, value = part.partition("=")
        options[key] = value if equals else True
    return kind, options


def _csv(text: str, resolver: str) -> str:
    """Return a CSV whose first row has the text in the column that the resolver reads."""
    _, options = type_and_options(resolver)
    column = options.get("column", "text")
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=str(options.get("separator") or ",")[:1], lineterminator="\n")
    place = whole_number(str(column))
    if options.get("headless") or place is not None:
        cells = [*("x" for _ in range(min(place or 0, _MAX_COLUMN))), text]
        if not options.get("headless"):
            writer.writerow([f"column{number}" for number in range(len(cells))])
        writer.writerow(cells)
    else:
        writer.writerow([column, "number"])
        writer.writerow([text, 1])
    return buffer.getvalue()
