"""Hooks of mkdocs: pages from outside docs/, generated reference pages, and links that are right on the site.

A page in the repository links to files as they lie there. On the site, such a link leads to the file's page. A link to
a file without a page becomes its text, followed by the file's path.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

import reference_pages
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent

#: Files outside docs/ that are pages of the site, by their paths in the repository.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security-policy.md",
    "benchmarks/RESULTS.md": "benchmarks.md",
}
#: Scripts that the site carries.
SCRIPTS = {"docs_site/vendor/iframe-worker.js": "assets/iframe-worker.js"}

_CODE = re.compile(r"^(```.*?^```|(?: {4}[^\n]*\n)+)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?P<mark>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^()\s]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside docs/, the generated ones, and the scripts."""
    for source, place in PAGES.items():
        files.append(File.generated(config, place, content=(ROOT / source).read_text(encoding="utf-8")))
    for source, place in SCRIPTS.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / source)))
    for place, text in reference_pages.pages().items():
        files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **kwargs: Any) -> str:
    """Return the text of a page with its links made right for the site."""
    place = page.file.src_uri
    own_path = next((source for source, target in PAGES.items() if target == place), f"docs/{place}")

    def replaced(match: re.Match[str]) -> str:
        target, _, anchor = match["target"].partition("#")
        if not target or "://" in target or target.startswith("mailto:"):
            return match[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(own_path), target))
        if path.startswith("docs/"):
            shown = path.removeprefix("docs/")
        elif path in PAGES:
            shown = PAGES[path]
        elif (ROOT / path).exists():
            return f"{match['text']} (`{path}`)"
        else:
            return match[0]  # which strict mode reports
        shown = posixpath.relpath(shown, posixpath.dirname(place) or ".")
        return f"{match['mark']}[{match['text']}]({shown}{'#' if anchor else ''}{anchor})"

    parts = _CODE.split(markdown)
    return "".join(part if at % 2 else _LINK.sub(replaced, part) for at, part in enumerate(parts))
