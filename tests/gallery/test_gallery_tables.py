"""The tables of docs/gallery are those of the models."""

import re
import runpy
from pathlib import Path

from label_studio_ml.gallery.catalogue import models

ROOT = Path(__file__).resolve().parent.parent.parent
tables = runpy.run_path(str(ROOT / "scripts" / "gallery_tables"))


def test_the_table_of_models_is_that_of_now() -> None:
    page = (ROOT / "docs" / "gallery" / "README.md").read_text()
    for name in ("models", "results"):
        table = tables["model_table"]() if name == "models" else tables["result_table"]()
        assert tables["replaced"](page, name, table) == page, "run: make tables"


def test_each_model_has_a_page_with_a_picture() -> None:
    for model in models():
        page = (ROOT / "docs" / "gallery" / f"{model.name}.md").read_text()
        assert f"({model.name}.png)" in page
        assert (ROOT / "docs" / "gallery" / f"{model.name}.png").stat().st_size < 300_000
        assert f"--example {model.name}" in page or "--project" in page


def test_links_lead_to_files() -> None:
    for page in sorted((ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)}: {target}"
