"""`label-studio-ml conformance` on our own server, as its user starts it, and on a Label Studio."""

import json
import subprocess
from typing import Any

import pytest

from .backend import CLI, clean_environment
from .conftest import MakeBackend
from .studio import Studio

LOGIN = {"BASIC_AUTH_USER": "me", "BASIC_AUTH_PASS": "CANARY-password"}


def _conformance(
    url: str, *options: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CLI, "conformance", url, *options],
        env=clean_environment(env),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.parametrize("env", [{}, LOGIN], ids=["open", "login"])
def test_nothing_is_found_in_our_server(make_backend: MakeBackend, env: dict[str, str]) -> None:
    backend = make_backend("by_length.py", env=env)
    done = _conformance(backend.url, "--json", "--train", "--extra-params", '{"threshold": 0.5}', env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    outcomes: list[dict[str, Any]] = json.loads(done.stdout)
    assert [finding for outcome in outcomes for finding in outcome["findings"]] == []
    skipped = [outcome["name"] for outcome in outcomes if outcome["status"] == "skip"]
    assert skipped == ([] if env else ["login"])
    assert "CANARY" not in done.stdout + done.stderr


def test_a_label_studio_is_no_backend(label_studio: Studio) -> None:
    done = _conformance(label_studio.url)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 2
    assert f"{label_studio.url} is a Label Studio, not an ML backend" in done.stderr
