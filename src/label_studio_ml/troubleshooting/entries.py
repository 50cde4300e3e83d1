"""Read the entries of `entries/*.md`: what an error's code means, its causes, and what to do."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "entries"

#: The files of entries in the order in which they are listed.
FILES = (
    "requests",
    "settings",
    "models",
    "serving",
    "versions",
    "redis-and-trainings",
    "label-studio",
    "others",
)

#: A code in a text, such as an error's message.
CODE = re.compile(r"\bLSML-E\d{3}\b", re.IGNORECASE)
#: A text that is nothing but codes as people type them: `E310`, `lsml-310`, `310, 320`.
_SHORT_CODES = re.compile(r"\W*(?:(?:LSML\W?)?E?\d{3}\b\W*)+", re.IGNORECASE)
_NUMBER = re.compile(r"\d{3}")

#: What the last paragraph of an entry begins with, if it has one with the messages of others.
_OTHER_MESSAGES = "Also seen as: "
_ENTRY = re.compile(r"^## (?P<code>LSML-E\d{3}): (?P<title>.+)\n(?P<text>(?:(?!## ).*\n?)*)", re.MULTILINE)
_QUOTED = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\[([^\]]+)\]\(([\w./-]+\.md)[^)]*\)")


@dataclass(frozen=True, slots=True)
class Entry:
    """The entry of a code. `text` is Markdown, with the meaning, the causes, what to do, and messages of others."""

    code: str
    title: str
    text: str

    @property
    def other_messages(self) -> tuple[str, ...]:
        """Messages of the system, of libraries and of other programs that lead here."""
        return tuple(_QUOTED.findall(self.text.partition(_OTHER_MESSAGES)[2]))

    def plain(self) -> str:
        """Return the entry for a terminal, where a link is its text with the page in brackets."""
        lines = (line for line in self.text.strip().splitlines() if not line.startswith("```"))
        return _LINK.sub(r"\1 (docs/\2)", f"{self.code}: {self.title}\n\n" + "\n".join(lines))


@dataclass(frozen=True, slots=True)
class EntryGroup:
    """The entries of one file, with its heading."""

    title: str
    entries: tuple[Entry, ...]


def codes_in(text: str) -> list[str]:
    """Return the codes in a text, each once; in one that is nothing but codes, their numbers are enough."""
    codes = [code.upper() for code in CODE.findall(text)]
    if _SHORT_CODES.fullmatch(text):
        codes = [f"LSML-E{number}" for number in _NUMBER.findall(text)]
    return list(dict.fromkeys(codes))


@cache
def groups() -> tuple[EntryGroup, ...]:
    """Return all entries by group."""
    return tuple(_read(FOLDER / f"{name}.md") for name in FILES)


@cache
def by_code() -> dict[str, Entry]:
    """Return all entries by code."""
    return {entry.code: entry for group in groups() for entry in group.entries}


def _read(path: Path) -> EntryGroup:
    text = path.read_text(encoding="utf-8")
    title = text.partition("\n")[0].removeprefix("# ")
    return EntryGroup(title, tuple(Entry(**match.groupdict()) for match in _ENTRY.finditer(text)))
