"""The generated pages of the documentation site's reference."""

import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from label_studio_ml.cli.main import COMMANDS
from label_studio_ml.config.settings import Settings
from label_studio_ml.openapi.api_document import document
from label_studio_ml.training.redis.keys import Keys, _Key

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def reference() -> SimpleNamespace:
    """The module that makes the pages, which is no part of the package."""
    return SimpleNamespace(**runpy.run_path(str(ROOT / "docs_site" / "reference_pages.py")))


def test_each_command_has_a_section_with_its_arguments(reference: SimpleNamespace) -> None:
    text = reference.commands()
    sections = dict(re.findall(r"^### (\S+)\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL))
    assert list(sections) == [command.name for command in COMMANDS]
    assert "--port PORT` |" in sections["start"]
    assert "| `DIR` |" in sections["init"]
    assert "%(default)" not in text


def test_each_setting_has_a_row(reference: SimpleNamespace) -> None:
    text = reference.settings()
    assert {"`MODEL_DIR`", "`BASIC_AUTH_PASS`", "`FIT_TIMEOUT`", "`LOCAL_FILES_DOCUMENT_ROOT`"} <= set(
        re.findall(r"^\| (`\w+`)", text, re.MULTILINE)
    )
    assert text.count("\n| `") > len(Settings.__dataclass_fields__)


def test_each_metric_has_its_kind_and_meaning(reference: SimpleNamespace) -> None:
    rows = re.findall(r"^\| `(label_studio_ml_\w+)` \| (\w+) \| (.+) \|$", reference.metrics(), re.MULTILINE)
    kinds = {name: kind for name, kind, _ in rows}
    assert kinds["label_studio_ml_requests_total"] == "counter"
    assert kinds["label_studio_ml_request_seconds"] == "histogram"
    assert kinds["label_studio_ml_backlog_events"] == "gauge"


def test_each_call_has_a_row(reference: SimpleNamespace) -> None:
    text = reference.http_calls()
    assert "| `POST /predict` | Predict tasks." in text
    assert text.count("\n| `") == sum(len(operations) for operations in document()["paths"].values())


def test_each_key_of_redis_has_a_row(reference: SimpleNamespace) -> None:
    text = reference.redis_keys()
    documented = set(re.findall(r"^\| `([\w]+)", text, re.MULTILINE))
    named = {value.name for value in vars(Keys).values() if isinstance(value, _Key)}
    assert named
    assert named <= documented
    assert "RQ keeps its own keys" in text


def test_each_public_module_has_a_page(reference: SimpleNamespace) -> None:
    pages = reference.pages()
    nav = (ROOT / "docs_site" / "mkdocs.yml").read_text()
    for module in (*reference.MODULES, reference.ERRORS):
        place = reference.python_page(module)
        assert f"::: {module}" in pages[place]
        assert place in nav
