"""The tables of settings in the documentation say what the settings' declarations say."""

import runpy
from pathlib import Path

import pytest

from label_studio_ml.config.settings import SECRETS, Settings

ROOT = Path(__file__).resolve().parents[2]
tables = runpy.run_path(str(ROOT / "scripts" / "settings_tables"))

PAGES: tuple[str, ...] = tuple(tables["pages"]())


@pytest.mark.parametrize("page", PAGES)
def test_the_table_of_a_page_is_that_of_the_declarations(page: str) -> None:
    assert (ROOT / page).read_text() == tables["updated"](page), "run: make tables"


def test_every_variable_has_a_row(tmp_path: Path) -> None:
    written = Settings(backend_dir=tmp_path, user_model_dir=tmp_path, redis_url="redis://h").to_env()
    documented = {name for page in PAGES for name in tables["pages"]()[page]}
    assert set(written) <= documented
    assert {"REDIS_HOST", "TOKENS_FILE", "FILES_CLOUD_ROOTS", "TRAIN_EVERY"} <= documented


def test_rows() -> None:
    lines = tables["table"]("docs/production.md").splitlines()
    assert "| `LABEL_STUDIO_ML_MAX_BODY` | largest request body in bytes | 1 GiB |" in lines
    marked = {line.split("`")[1] for line in lines if line.split(" | ")[0].endswith("†")}
    assert marked <= set(SECRETS)
    assert "REDIS_PASSWORD" in marked


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("LABEL_STUDIO_ML_SWEEP", "10"),
        ("LOAD", "`beside`"),
        ("VERIFY_SSL", "`true`"),
        ("MODEL_CACHE_MB", "20480"),
        ("LABEL_STUDIO_ML_MAX_IN_FLIGHT", "2 GiB"),
        ("BASIC_AUTH_USER", "none"),
        ("REDIS_URL", "`start`: its own broker"),
    ],
)
def test_defaults(name: str, default: str) -> None:
    assert tables["default_text"](*tables["pages"]()["docs/production.md"][name]) == default


def test_links_are_right_on_each_page() -> None:
    text = "who ([who may ask](production.md#who-may-ask)), files ([files.md](files.md))"
    assert tables["linked"](text, "docs/files.md") == (
        "who ([who may ask](production.md#who-may-ask)), files"
    )
    assert "[who may ask](#who-may-ask)" in tables["linked"](text, "docs/production.md")
    assert "(docs/production.md#who-may-ask)" in tables["linked"](text, "README.md")
