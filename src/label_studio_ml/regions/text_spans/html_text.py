"""The text of an HTML page as Label Studio counts it in `globalOffsets` (docs/region-formats.md).

Tags count nothing, an entity and a `<br>` count one, white space between tags counts as it is in the source. `<script>`
and comments are cut out before anything is counted, the content of a `<style>` in the body counts, and the `<head>`
does not.
"""

from html.parser import HTMLParser

#: Tags whose text the browser does not have in the body.
_SKIPPED = frozenset({"script", "title", "noscript"})
#: Tags that belong to the head of a page without `<head>` and `<body>`, before its first content.
_HEAD = frozenset({"html", "head", "title", "meta", "link", "base"})


def html_text(html: str) -> str:
    """Return the text of an HTML page or fragment, in which a region's `globalOffsets` count code points."""
    reader = _Reader(has_body="<body" in html.lower())
    reader.feed(html.replace("\r\n", "\n").replace("\r", "\n"))
    reader.close()
    return "".join(reader.parts)


class _Reader(HTMLParser):
    """Collects the text of the body."""

    def __init__(self, *, has_body: bool) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._has_body = has_body
        self._in_body = False
        self._skipped: list[str] = []
        self._in_head = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Process an opening tag."""
        if tag == "body":
            self._in_body = True
        elif tag == "head":
            self._in_head = True
        elif not self._has_body and not self._in_head and tag not in _HEAD | _SKIPPED:
            self._in_body = True
        if tag in _SKIPPED:
            self._skipped.append(tag)
        if tag == "br" and self._in_body:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        """Process a closing tag."""
        if tag == "head":
            self._in_head = False
        if self._skipped and tag == self._skipped[-1]:
            self._skipped.pop()

    def handle_data(self, data: str) -> None:
        """Process text."""
        if self._skipped or self._in_head or (self._has_body and not self._in_body):
            return
        if not self._in_body:
            data = data.lstrip()  # the parser of a browser drops white space before the first content
            if not data:
                return
            self._in_body = True
        self.parts.append(data)
