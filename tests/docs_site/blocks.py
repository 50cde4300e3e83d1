"""The code blocks of the documentation site's pages, fenced and indented, with their languages."""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

#: The pages that people wrote, by their paths in the repository.
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    *sorted(
        path.relative_to(ROOT).as_posix()
        for path in ROOT.glob("docs/**/*.md")
        if path.name != "troubleshooting.md"  # made from the entries, which `command_lines` reads
    ),
]

#: A fenced block with its language, or lines indented by four blanks with blank lines between them.
BLOCK = re.compile(
    r"^```(?P<language>\w*)\n(?P<fenced>(?:.*\n)*?)```$|^(?P<indented> {4}.*\n(?:\n*(?: {4}.*\n))*)",
    re.MULTILINE,
)
#: Languages of indented blocks, by how they begin. The others are Python.
_BEGINNINGS = {
    "console": re.compile(
        r"(export |[A-Z_]+=|label-studio|make |pip |python3? |cd |tar |git |docker |sudo |curl |redis-server |mlflow "
        r"|\. |--)"
    ),
    "xml": re.compile("<"),
}

#: Indented blocks in other languages, by page and the beginning of the first line.
OTHERS = {
    ("docs/architecture.md", "label-studio-ml start DIR        server process"): "text",
    ("docs/architecture.md", "absent ──begin──▶"): "text",
    ("docs/architecture.md", "backend/"): "text",
    ("docs/production.md", "x-store: &store"): "yaml",
    ("docs/guides/deploy.md", "frontend ml"): "haproxy",
    ("docs/security.md", "RQ's job … on queue … is refused"): "text",
}


@dataclass(frozen=True)
class Block:
    """A code block without its indentation. `line` is the number of its first line on the page."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    """Return the blocks of all pages in these languages."""
    return [block for page in PAGES for block in blocks_of(page) if block.language in languages]


def block_of(page: str, language: str, position: int = 0) -> Block:
    """Return a page's block in a language, by its position among these."""
    return [block for block in blocks_of(page) if block.language == language][position]


@cache
def blocks_of(page: str) -> tuple[Block, ...]:
    """Return the blocks of a page in their order."""
    return tuple(_parsed(page, (ROOT / page).read_text(encoding="utf-8")))


def _parsed(page: str, text: str) -> Iterator[Block]:
    for match in BLOCK.finditer(text):
        group = "fenced" if match["indented"] is None else "indented"
        content = textwrap.dedent(match[group]).rstrip("\n") + "\n"
        line = text.count("\n", 0, match.start(group)) + 1
        language = match["language"] if group == "fenced" else _language(page, content)
        yield Block(page, line, language, content)


def _language(page: str, content: str) -> str:
    for (other_page, beginning), language in OTHERS.items():
        if page == other_page and content.startswith(beginning):
            return language
    return next((name for name, begins in _BEGINNINGS.items() if begins.match(content)), "python")
