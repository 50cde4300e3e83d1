"""What is pinned for images, the SBOM made of it, and what `make audit` says of reports."""

import json
import re
import runpy
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
LOCK = (ROOT / "src" / "label_studio_ml" / "templates" / "server.lock.txt.tmpl").read_text()
lock = runpy.run_path(str(ROOT / "scripts" / "lock"))
audit = runpy.run_path(str(ROOT / "scripts" / "audit"))

PINS = {name: version for name, version, _ in lock["PIN"].findall(LOCK)}


def test_the_sbom_is_that_of_the_pins() -> None:
    text = (ROOT / "sbom.cdx.json").read_text()
    assert text == lock["made"](), "run: make lock"
    bill = json.loads(text)
    assert {one["name"]: one["version"] for one in bill["components"]} == PINS
    (own, *others) = bill["dependencies"]
    refs = {one["bom-ref"] for one in bill["components"]}
    assert {one["ref"] for one in others} == refs
    assert set(own["dependsOn"]) < refs
    assert own["ref"] == bill["metadata"]["component"]["bom-ref"]


def test_the_pins_meet_what_pyproject_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [Requirement(line) for line in [*project["dependencies"], *lock["BESIDE"]]]
    assert len(needed) > 10
    for requirement in needed:
        version = PINS[requirement.name.lower()]
        assert requirement.specifier.contains(version, prereleases=True), (
            f"{requirement}: {version}; run: make lock"
        )


def test_every_pin_has_hashes_and_no_index_is_named() -> None:
    entries = re.split(r"^(?=\S)", LOCK, flags=re.MULTILINE)
    pins = [entry for entry in entries if entry and not entry.startswith("#")]
    assert len(pins) == len(PINS) > 50
    for entry in pins:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry[:80]
    assert "://" not in LOCK
    assert "--index" not in LOCK


FINE = {"name": "a", "version": "1", "vulns": []}
KNOWN = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3"]}]}
SKIPPED = {"name": "c", "version": "3", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("packages", "status", "said"),
    [
        ([FINE], 0, "audit: 1 packages, 1 looked up, 0 not"),
        ([FINE, KNOWN, SKIPPED], 1, "b 2: CVE-1, fixed in 3"),
        ([FINE, SKIPPED], 2, "audit: not looked up: not found"),
        ([], 2, "audit: 0 packages"),
    ],
)
def test_an_audit_that_looked_nothing_up_is_no_success(
    packages: list[dict[str, object]], status: int, said: str
) -> None:
    found, lines = audit["verdict"]({"dependencies": packages})
    assert found == status
    assert said in "\n".join(lines)
