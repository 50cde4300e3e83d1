"""Both kinds of token against a real Label Studio, and what is said when it refuses them."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
import requests

from label_studio_ml.errors import FileFetchError, StudioAuthError
from label_studio_ml.studio.client import StudioClient
from label_studio_ml.studio.files.fetch import FileAccess, _shared_http
from label_studio_ml.studio.transport import http

from .conftest import StartStudio
from .processes import wait_until
from .studio import Studio

#: With it, Label Studio signs tokens.
SECRET_KEY = "only-for-tests-" + "5" * 40

CONFIG = '<View><Image name="image" value="$image"/></View>'


@pytest.fixture(scope="module")
def studio(start_studio: StartStudio) -> Studio:
    """A Label Studio of these tests' own: they switch tokens off and revoke them."""
    return start_studio(env={"SECRET_KEY": SECRET_KEY}).wait()


@pytest.fixture(autouse=True)
def access_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    monkeypatch.setattr(http, "default_folder", lambda: tmp_path / "access")
    _shared_http.cache_clear()
    yield tmp_path / "access"
    _shared_http.cache_clear()


@pytest.fixture
def personal(studio: Studio) -> Iterator[str]:
    """A personal access token, revoked in the end: a user has one at a time."""
    token = str(studio.call("POST", "/api/token/")["token"])
    yield token
    if studio.call("GET", "/api/token/"):
        _revoke(studio, token)


def _revoke(studio: Studio, token: str) -> None:
    studio.call("POST", "/api/token/blacklist/", json={"refresh": token})


def _switch_legacy(studio: Studio, personal: str, on: bool) -> None:
    """As the organization's settings page does, with a token that works either way."""
    client = StudioClient(studio.url, personal)
    settings = {"api_tokens_enabled": True, "legacy_api_tokens_enabled": on, "api_token_ttl_days": 1000}
    client._studio.api.json_object("POST", "/api/jwt/settings", json=settings)
    client.close()


def test_legacy_tokens_switched_off(studio: Studio, personal: str, tmp_path: Path) -> None:
    project = studio.create_project("legacy off", CONFIG)
    part = {"file": ("a.png", b"\x89PNG\r\n\x1a\n", "image/png")}
    studio.call("POST", f"/api/projects/{project}/import", files=part)
    url = studio.tasks(project)[0]["data"]["image"]
    _switch_legacy(studio, personal, on=False)
    try:
        with pytest.raises(
            StudioAuthError, match=r"Legacy tokens are switched off in this organization"
        ) as caught:
            StudioClient(studio.url, studio.token).project(project)
        assert studio.token not in str(caught.value)
        files = FileAccess(studio_url=studio.url, token=studio.token, cache_dir=tmp_path / "a")
        with pytest.raises(FileFetchError, match=r"Legacy tokens are switched off"):
            files.local_path(url)
        assert StudioClient(studio.url, personal).project(project)["id"] == project
        files = FileAccess(studio_url=studio.url, token=personal, cache_dir=tmp_path / "b")
        assert Path(files.local_path(url)).read_bytes().startswith(b"\x89PNG")
    finally:
        _switch_legacy(studio, personal, on=True)


def test_revoked(studio: Studio, personal: str) -> None:
    project = studio.create_project("revoked", CONFIG)
    client = StudioClient(studio.url, personal)
    assert client.project(project)["id"] == project
    _revoke(studio, personal)
    with pytest.raises(StudioAuthError, match=r"The personal access token was revoked") as caught:
        StudioClient(studio.url, personal, access_folder=Path("/nonexistent")).project(project)
    assert personal not in str(caught.value)


def test_of_another_label_studio(studio: Studio, personal: str) -> None:
    head, claims, signature = personal.split(".")
    foreign = ".".join([head, claims, signature[::-1]])
    with pytest.raises(StudioAuthError, match=r"is of another Label Studio than LABEL_STUDIO_URL"):
        StudioClient(studio.url, foreign).project(1)


def test_legacy_token_of_another_label_studio(studio: Studio) -> None:
    with pytest.raises(StudioAuthError, match=r"No user of this Label Studio has this legacy token"):
        StudioClient(studio.url, "f" * 40).project(1)


def test_access_token_that_is_refused(studio: Studio, personal: str, access_folder: Path) -> None:
    """What is shared by all processes is good no more: each goes on with a fresh one."""
    project = studio.create_project("mid-run", CONFIG)
    first = StudioClient(studio.url, personal)
    assert first.project(project)["id"] == project
    (shared,) = access_folder.iterdir()
    known = json.loads(shared.read_text())
    ended = known["access"][:-6] + ("AAAAAA" if not known["access"].endswith("AAAAAA") else "BBBBBB")
    shared.write_text(json.dumps({**known, "access": ended}))
    second = StudioClient(studio.url, personal)
    assert second.project(project)["id"] == project
    assert json.loads(shared.read_text())["access"] not in {ended, known["access"]}
    assert shared.stat().st_mode & 0o777 == 0o600
    assert personal not in shared.read_text()
    first._studio.api.http.token._access = ended
    assert first.project(project)["id"] == project


def test_access_token_that_expires_in_mid_run(studio: Studio, personal: str, access_folder: Path) -> None:
    """Label Studio's own clock ends it, which the client, whose token it says lives longer, cannot foresee."""
    project = studio.create_project("mid-run", CONFIG)
    StudioClient(studio.url, personal).project(project)
    (shared,) = access_folder.iterdir()
    known = json.loads(shared.read_text())
    for seconds in (8.0, 32.0, 128.0):  # a slow machine may need more until the first answer
        brief = _lives(known["access"], seconds)
        shared.write_text(json.dumps({**known, "access": brief}))
        run = StudioClient(studio.url, personal)
        answers = 0

        def renewed(run: StudioClient = run, brief: str = brief) -> bool:
            nonlocal answers
            assert run.project(project)["id"] == project
            answers += run._studio.api.http.token._access == brief
            return run._studio.api.http.token._access != brief

        wait_until(renewed, "the token was replaced", 240.0)
        if answers:
            break
    assert answers, "the run began with the token that expires"
    refusal = requests.get(
        f"{studio.url}/api/projects/", headers={"Authorization": f"Bearer {brief}"}, timeout=30
    )
    assert refusal.status_code == 401
    assert json.loads(shared.read_text())["access"] == run._studio.api.http.token._access


def _lives(access: str, seconds: float) -> str:
    """Return an access token that ends in so many seconds, signed as Label Studio signs them."""
    claims = jwt.decode(access, options={"verify_signature": False})
    return jwt.encode({**claims, "exp": time.time() + seconds}, SECRET_KEY, algorithm="HS256")
