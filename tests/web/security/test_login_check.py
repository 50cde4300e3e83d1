"""Who gets in: basic auth, tokens, both; and that a running server follows its file of tokens."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from e2e.processes import wait_until
from label_studio_ml.config.access_tokens import add, revoke
from label_studio_ml.config.backend_login import asks_login, authorization
from label_studio_ml.config.http_settings import HttpSettings
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import NotAuthorized
from label_studio_ml.web.security.login_check import Login
from live import FakeStudio, Live, created, make_live, start_training, uid


def _basic(login: str) -> str:
    return f"Basic {base64.b64encode(login.encode()).decode()}"


@pytest.mark.parametrize("user", ["", "u"])
def test_tokens_with_and_without_a_user(tmp_path: Path, user: str) -> None:
    token = add(tmp_path / "tokens", "ci")
    http = HttpSettings(tokens_file=Path("tokens"), token=token)
    settings = Settings(backend_dir=tmp_path, basic_auth_user=user, basic_auth_pass=user and "p", http=http)
    login = Login(settings)
    assert asks_login(settings)
    for kind in ("Bearer", "bearer", "BEARER"):
        assert login.check(f"{kind} {token}", "/predict")
    assert login.caller(f"Bearer {token}") == "token ci"
    refused = [
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {token}x",
        f"Basic {token}",
        token,
        f"Token {token}",
        _basic("u:x"),
    ]
    for header in [*refused, _basic(":"), _basic(f"ci:{token}")]:
        assert login.caller(header) == ""
        assert not login.check(header, "/readyz")
        with pytest.raises(NotAuthorized, match="or a token with 'Authorization: Bearer TOKEN'"):
            login.check(header, "/predict")
    assert login.check("", "/webhook") is False
    if user:
        assert login.check(_basic("u:p"), "/predict")
        assert login.caller(_basic("u:p")) == "user u"
        assert login.challenge.count("realm=") == 2
        assert authorization(settings) == _basic("u:p")
    else:
        assert login.challenge == 'Bearer realm="Label Studio ML backend"'
        assert authorization(settings) == f"Bearer {token}"


def test_without_login_and_tokens_everybody_is_in_and_nobody_has_a_name(tmp_path: Path) -> None:
    settings = Settings(backend_dir=tmp_path)
    login = Login(settings)
    assert not asks_login(settings)
    assert authorization(settings) == ""
    assert login.check("", "/predict")
    assert login.check("Bearer x", "/predict")
    assert login.caller("Bearer x") == ""


def test_settings_come_from_the_environment_and_go_to_children(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("lsml_0123456789\n")
    env = {"TOKENS_FILE": "t.txt", "LABEL_STUDIO_ML_TOKEN_FILE": str(tmp_path / "secret")}
    settings = Settings.from_env(env, backend_dir=tmp_path)
    assert settings.http.tokens_file == Path("t.txt")
    assert settings.http.token == "lsml_0123456789"
    assert "lsml_0123456789" not in repr(settings)
    assert Settings.from_env(settings.to_env(), backend_dir=tmp_path).http == settings.http


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    studio = FakeStudio()
    file = tmp_path / "tokens.txt"
    live = make_live(tmp_path / "backend", studio, "seed_model", env={"TOKENS_FILE": str(file)})
    live.backend.start()
    yield live
    left = live.backend.stop()
    studio.stop()
    assert not left


def _log(live: Live) -> str:
    return (live.folder / "logs" / "server.log").read_text()


def test_a_running_server_follows_its_file(live: Live, tmp_path: Path) -> None:
    file = tmp_path / "tokens.txt"
    url = live.backend.url

    def get(token: str) -> requests.Response:
        return requests.get(f"{url}/health", headers={"Authorization": f"Bearer {token}"}, timeout=60)

    refused = get("anything-that-is-none")
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith("Bearer realm=")
    assert requests.get(f"{url}/health", timeout=60).status_code == 401
    elsewhere = {"Sec-Fetch-Site": "cross-site"}  # refused at its head, before the login is looked at
    assert requests.get(f"{url}/health", headers=elsewhere, timeout=60).status_code == 403
    assert requests.get(f"{url}/{'x' * 5000}", timeout=60).status_code == 401
    assert "] 127.0.0.1: '/xxx" in _log(live)
    refusals = [line for line in _log(live).splitlines() if "'/health' -> 4" in line]
    assert {line.partition(" -> ")[2][:3] for line in refusals} == {"401", "403"}
    assert all("] 127.0.0.1: '/health' -> " in line for line in refusals)
    token, other = add(file, "ci"), add(file, "prometheus")
    assert get(token).status_code == 200
    assert get(other).status_code == 200

    headers = {"Authorization": f"Bearer {token}"}
    live.studio.add(1, 1)
    for event in (start_training(1), created(1, 1)):
        answer = requests.post(f"{url}/webhook", json=event, headers=headers, timeout=60)
        assert answer.status_code == 201, answer.text
        log = _log(live)
        job = answer.json()["job"]
        place = f"job {job}" if job else "kept on this server's disk"
        assert f"{event['action']} of project {uid(1)} came from token ci: {place}" in log

    def named() -> bool:
        answer = requests.get(f"{url}/jobs", params={"project": "1"}, headers=headers, timeout=60)
        return '"asked_by":"token ci"' in answer.text

    wait_until(named, "a record names who asked")
    assert token not in log
    revoke(file, "ci")
    assert get(token).status_code == 401
    assert get(other).status_code == 200
    file.unlink()
    assert get(other).status_code == 401
