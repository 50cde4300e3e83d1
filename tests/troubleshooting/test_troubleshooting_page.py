"""docs/troubleshooting.md has the entries and the messages of all errors."""

import re
import runpy
from pathlib import Path

from label_studio_ml.troubleshooting.entries import by_code
from label_studio_ml.troubleshooting.message_templates import templates

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "troubleshooting.md"
written = runpy.run_path(str(ROOT / "scripts" / "troubleshooting_page"))


def test_the_page_is_that_of_the_entries_and_messages() -> None:
    assert PAGE.read_text(encoding="utf-8") == written["page"](), "run: make tables"


def test_each_code_has_a_place_that_links_lead_to() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert re.findall(r'^<a id="(.+)"></a>$', text, re.MULTILINE) == [code.lower() for code in by_code()]
    assert set(re.findall(r"\]\(#(lsml-.+?)\)", text)) <= {code.lower() for code in by_code()}
    assert len(re.findall(r"^\| `", text, re.MULTILINE)) == len(templates())


def test_the_pages_that_it_links_to_exist() -> None:
    targets = set(re.findall(r"\]\(([\w/.-]+\.md)", PAGE.read_text(encoding="utf-8")))
    assert targets
    assert [target for target in targets if not (PAGE.parent / target).is_file()] == []


def test_it_is_linked_where_people_look() -> None:
    assert "(docs/troubleshooting.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "(troubleshooting.md)" in (ROOT / "docs" / "connect.md").read_text(encoding="utf-8")
