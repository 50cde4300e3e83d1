"""A page that shows one drawing of the dashboard, with the dashboard's own files and security policy."""

import io
import json
import mimetypes
from typing import Any
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from label_studio_ml.dashboard.dashboard_page import FOLDER, HEADERS

ORIGIN = "http://drawings.test"
_STATIC = "/dashboard/static/"

_PAGE = f"""<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>Drawing</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="{_STATIC}vendor/pico.css"><link rel="stylesheet" href="{_STATIC}styles/app.css">
<script type="module" src="/mount.js"></script></head><body><main id="host"><h1>Drawing</h1></main></body></html>"""

_MOUNT = f"""import {{ html, render, useEffect }} from "{_STATIC}lib/html.js";
const host = document.createElement("div");
document.querySelector("main").append(host);
window.prompts = [];
window.asked = window.drawn = 0;
// Its effect is the last one of the first drawing: those of what it has in it come before.
function Drawn({{ number, children }}) {{
  useEffect(() => {{ window.drawn = number; }}, [number]);
  return children;
}}
window.draw = async (path, name, props, hasPrompts) => {{
  const module = await import("{_STATIC}drawings/" + path);
  render(null, host);
  const onPrompt = hasPrompts ? (item) => window.prompts.push(item) : undefined;
  window.asked += 1;
  const drawing = html`<${{module[name]}} ...${{props}} onPrompt=${{onPrompt}} />`;
  render(html`<${{Drawn}} number=${{window.asked}}>${{drawing}}</${{Drawn}}>`, host);
}};
"""


def tags_of(config: str) -> dict[str, Any]:
    """Return the object tag and the controls of a label config, as drawings get them."""
    root = ElementTree.fromstring(config)
    (item,) = (tag for tag in root.iter() if tag.get("value", tag.get("valueList", "")).startswith("$"))
    controls = [
        {
            "name": tag.get("name"),
            "tag": tag.tag,
            "to_name": [tag.get("toName")],
            "labels": [{"value": label.get("value"), "background": label.get("background")} for label in tag],
            "attributes": dict(tag.attrib),
        }
        for tag in root.iter()
        if tag.get("toName")
    ]
    return {
        "object": {"name": item.get("name"), "tag": item.tag, "attributes": dict(item.attrib)},
        "controls": controls,
    }


class DrawingPage:
    """A browser page at an origin of its own; `files` are further files by their path. `errors`: of the console."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.errors: list[str] = []
        self.files: dict[str, tuple[str, bytes]] = {}
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.route(f"{ORIGIN}/**", self._fulfil)
        self.page.goto(f"{ORIGIN}/")
        self.page.wait_for_function("() => window.draw")

    def _note(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _fulfil(self, route: Any) -> None:
        path = route.request.url.removeprefix(ORIGIN).partition("?")[0]
        kind, body = self._content(path)
        route.fulfill(status=200 if body else 404, body=body, headers={**HEADERS, "Content-Type": kind})

    def _content(self, path: str) -> tuple[str, bytes]:
        if path == "/":
            return "text/html", _PAGE.encode()
        if path == "/mount.js":
            return "text/javascript", _MOUNT.encode()
        if path.startswith(_STATIC) and (FOLDER / path.removeprefix(_STATIC)).is_file():
            content = (FOLDER / path.removeprefix(_STATIC)).read_bytes()
            return mimetypes.guess_type(path)[0] or "application/octet-stream", content
        return self.files.get(path, ("text/plain", b""))

    def draw(self, module: str, component: str, *, prompts: bool = False, **props: Any) -> None:
        """Show a component of a module in `drawings/`, and wait until its pictures, masks and styles are there."""
        self.page.evaluate(
            "([module, component, props, prompts]) => window.draw(module, component, JSON.parse(props), prompts)",
            # As JSON: the driver takes minutes for a list of a million numbers.
            [module, component, json.dumps(props), prompts],
        )
        self.settle()

    def settle(self) -> None:
        """Wait until the pictures, masks and styles of the page are there."""
        self.page.wait_for_function(
            """() => window.drawn === window.asked && !document.querySelector('.picture-page > .drawing-note') &&
                [...document.images].every((image) => image.complete) &&
                [...document.querySelectorAll('link')].every((link) => link.sheet) &&
                [...document.querySelectorAll('canvas')].every((canvas) => canvas.dataset.painted !== 'no')"""
        )

    def pixels(self, selector: str) -> Any:
        """Return the part of the screen with an element as an array of red, green and blue, each from 0 to 255."""
        element = self.page.locator(selector)
        element.scroll_into_view_if_needed()
        self.page.mouse.move(1, 1)
        return np.asarray(Image.open(io.BytesIO(element.screenshot())).convert("RGB")).astype(int)
