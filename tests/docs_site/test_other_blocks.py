"""The blocks of the pages that are no programs can be read: JSON, label configs, YAML, systemd's units."""

import configparser
import json

import pytest
import yaml

from label_studio_ml import samples
from label_studio_ml.controls import Controls

from .blocks import OTHERS, PAGES, ROOT, Block, blocks, blocks_of

#: Languages for which there is a test, here or in the other modules of this folder.
TESTED = {"python", "console", "json", "xml", "yaml", "ini", "properties"}
#: Languages for which there is none: the servers that read them are not installed here, `text` is for people.
UNTESTED = {"nginx", "haproxy", "text"}


def test_each_block_has_a_known_language() -> None:
    found = {str(block): block.language for page in PAGES for block in blocks_of(page)}
    assert {place: name for place, name in found.items() if name not in TESTED | UNTESTED} == {}, (
        "name the language after ```, or add a test for it to this module"
    )


def test_indented_blocks_of_other_languages_are_there() -> None:
    for (page, beginning), language in OTHERS.items():
        assert [block.language for block in blocks_of(page) if block.text.startswith(beginning)] == [language]


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_json(block: Block) -> None:
    json.loads(block.text)


@pytest.mark.parametrize("block", blocks("xml"), ids=str)
def test_a_label_config_has_controls_and_sample_tasks(block: Block) -> None:
    assert len(Controls(block.text)) > 0
    assert len(samples.tasks(block.text, 1)) == 1


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_yaml(block: Block) -> None:
    assert isinstance(yaml.safe_load(block.text), dict)


@pytest.mark.parametrize("block", blocks("ini"), ids=str)
def test_a_unit_of_systemd(block: Block) -> None:
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.read_string(block.text)
    assert set(parsed.sections()) == {"Unit", "Service", "Install"}


@pytest.mark.parametrize("block", blocks("properties"), ids=str)
def test_a_file_of_settings(block: Block) -> None:
    """Each variable is one of the table of all settings, or one of the compose file that `init` writes."""
    known = (ROOT / "docs" / "production.md").read_text(encoding="utf-8")
    known += (ROOT / "src/label_studio_ml/templates/docker-compose.yml.tmpl").read_text(encoding="utf-8")
    for line in block.text.splitlines():
        name, equals, value = line.partition("=")
        assert equals
        assert value
        assert f"| `{name}` " in known or f"${{{name}:-" in known, name
