"""Sessions of the dashboard: made by a login, kept in a cookie, ended by time, another password, a revoked token."""

import base64
from pathlib import Path

import pytest

from label_studio_ml.config.access_tokens import add, revoke
from label_studio_ml.config.http_settings import HttpSettings
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import NotAuthorized, ReadOnlyLogin, SettingsError
from label_studio_ml.http_server.messages import Call
from label_studio_ml.web.security.login_check import Login
from label_studio_ml.web.security.login_sessions import LIFETIME, Sessions

#: The request of the login form.
FORM = Call("POST", "/dashboard/api/login", headers={"host": "localhost:9090"})


def basic(login: str) -> str:
    return f"Basic {base64.b64encode(login.encode()).decode()}"


def sessions(folder: Path, password: str = "secret", *, at: float = 0.0, tokens: bool = False) -> Sessions:
    http = HttpSettings(viewer_user="eve", viewer_pass="look", tokens_file=Path("tokens") if tokens else None)
    settings = Settings(backend_dir=folder, basic_auth_user="ada", basic_auth_pass=password, http=http)
    return Sessions(Login(settings), lambda: at)


def cookie_of(header: str) -> str:
    return header.partition(";")[0]


def with_cookie(cookie: str) -> Call:
    return Call(
        "GET", "/dashboard/api/x", headers={"host": "localhost:9090", "cookie": f"other=1; {cookie}; more=2"}
    )


def test_a_session_begins_with_the_login_and_keeps_its_role(tmp_path: Path) -> None:
    for login, operator in (("ada:secret", True), ("eve:look", False)):
        session, header = sessions(tmp_path).begin(basic(login), FORM, secure=False)
        again = sessions(tmp_path).session(
            with_cookie(cookie_of(header))
        )  # another server with the same login
        assert again == session
        assert (again.operator, again.exempt) == (operator, False)
        assert again.name == login.partition(":")[0]


def test_the_cookie_is_hidden_from_scripts_and_other_sites(tmp_path: Path) -> None:
    _, header = sessions(tmp_path).begin(basic("ada:secret"), FORM, secure=True)
    assert {"HttpOnly", "SameSite=Lax", "Secure"} <= set(header.split("; "))
    assert (
        "Path" not in header
    )  # browsers take the folder of the login form's path, also below a proxy's path
    _, header = sessions(tmp_path).begin(basic("ada:secret"), FORM, secure=False)
    assert "Secure" not in header
    assert "Max-Age=0" in sessions(tmp_path).end(FORM, secure=False)


def test_backends_on_other_ports_have_cookies_of_their_own(tmp_path: Path) -> None:
    served = sessions(tmp_path)
    other = Call("POST", "/dashboard/api/login", headers={"host": "localhost:9091"})
    cookies = {cookie_of(served.begin(basic("ada:secret"), call, secure=False)[1]) for call in (FORM, other)}
    assert len({cookie.partition("=")[0] for cookie in cookies}) == 2


@pytest.mark.parametrize("login", ["ada:wrong", "eve:secret", ":", "ada", "x:secret", "ada:look"])
def test_a_wrong_login_begins_no_session(tmp_path: Path, login: str) -> None:
    with pytest.raises(NotAuthorized):
        sessions(tmp_path).begin(basic(login), FORM, secure=False)


def test_a_session_ends_after_its_time_and_with_the_password(tmp_path: Path) -> None:
    cookie = cookie_of(sessions(tmp_path).begin(basic("ada:secret"), FORM, secure=False)[1])
    assert sessions(tmp_path, at=LIFETIME - 1).session(with_cookie(cookie)).operator
    with pytest.raises(NotAuthorized):
        sessions(tmp_path, at=LIFETIME + 1).session(with_cookie(cookie))
    with pytest.raises(NotAuthorized):
        sessions(tmp_path, "other").session(with_cookie(cookie))


def test_a_viewer_cannot_make_an_operator_of_a_cookie(tmp_path: Path) -> None:
    cookie = cookie_of(sessions(tmp_path).begin(basic("eve:look"), FORM, secure=False)[1])
    name, _, value = cookie.partition("=")
    kind, user, expires, signature = value.split(".")
    ada = base64.urlsafe_b64encode(b"ada").decode().rstrip("=")
    forged = [
        f"{kind}.{ada}.{expires}.{signature}",
        f"{kind}.{user}.{int(expires) + 1}.{signature}",
        f"token.{user}.{expires}.{signature}",
        f"{kind}.{user}.{expires}.{signature[:-1]}",
        f"{kind}.{user}.{expires}.",
        f"{kind}.{user}..{signature}",
        f"{kind}.%%%.{expires}.{signature}",
        f"{kind}.{user}.²{expires}.{signature}",
        f"{kind}.{user}.{expires}.é{signature}",
        "",
        "....",
    ]
    for wrong in forged:
        with pytest.raises(NotAuthorized):
            sessions(tmp_path).session(with_cookie(f"{name}={wrong}"))


def test_tokens_begin_sessions_that_end_when_they_are_revoked(tmp_path: Path) -> None:
    token = add(tmp_path / "tokens", "ci")
    served = sessions(tmp_path, tokens=True)
    session, header = served.begin(f"Bearer {token}", FORM, secure=False)
    assert (session.name, session.operator, session.exempt) == ("ci", True, False)
    assert served.session(with_cookie(cookie_of(header))) == session
    assert served.session(Call("GET", "/", headers={"authorization": f"Bearer {token}"})).exempt
    revoke(tmp_path / "tokens", "ci")
    with pytest.raises(NotAuthorized):
        served.session(with_cookie(cookie_of(header)))


def test_without_a_login_everybody_may_act(tmp_path: Path) -> None:
    served = Sessions(Login(Settings(backend_dir=tmp_path)))
    session = served.session(Call("GET", "/dashboard/api/x"))
    assert session.operator
    assert session.csrf
    assert not session.exempt


def test_signed_references(tmp_path: Path) -> None:
    served = sessions(tmp_path)
    signature = served.sign("file 1")
    assert sessions(tmp_path).is_signed("file 1", signature)
    for text, other in (("file 2", signature), ("file 1", ""), ("file 1", "é"), ("file 1", signature[:-1])):
        assert not served.is_signed(text, other)
    assert not sessions(tmp_path, "other").is_signed("file 1", signature)


@pytest.mark.parametrize(
    ("path", "changes", "admitted"),
    [
        ("/predict", True, False),
        ("/train", True, False),
        ("/versions/promote", True, False),
        ("/webhook", True, False),
        ("/jobs", False, True),
        ("/versions", True, True),
        ("/job_status", True, True),
        ("/metrics", False, True),
    ],
)
def test_the_viewer_of_the_api_may_only_read(
    tmp_path: Path, path: str, changes: bool, admitted: bool
) -> None:
    http = HttpSettings(viewer_user="eve", viewer_pass="look")
    login = Login(Settings(backend_dir=tmp_path, basic_auth_user="ada", basic_auth_pass="x", http=http))
    assert login.check(basic("ada:x"), path, changes=changes)
    if admitted:
        assert login.check(basic("eve:look"), path, changes=changes)
    else:
        with pytest.raises(ReadOnlyLogin, match="eve may only read"):
            login.check(basic("eve:look"), path, changes=changes)


@pytest.mark.parametrize(
    ("env", "field"),
    [
        ({"VIEWER_USER": "eve", "VIEWER_PASS": "x"}, "BASIC_AUTH_USER"),
        ({"VIEWER_USER": "eve", "BASIC_AUTH_USER": "a", "BASIC_AUTH_PASS": "b"}, "VIEWER_PASS"),
        ({"VIEWER_PASS": "eve", "BASIC_AUTH_USER": "a", "BASIC_AUTH_PASS": "b"}, "VIEWER_USER"),
        (
            {"VIEWER_USER": "a", "VIEWER_PASS": "x", "BASIC_AUTH_USER": "a", "BASIC_AUTH_PASS": "b"},
            "VIEWER_USER",
        ),
    ],
)
def test_incomplete_logins_are_refused_at_the_start(env: dict[str, str], field: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Login(Settings.from_env(env))
    assert refused.value.field == field


def test_a_viewer_cannot_sign_references_where_operators_have_tokens_only(tmp_path: Path) -> None:
    file = tmp_path / "tokens"

    def served() -> Sessions:
        http = HttpSettings(viewer_user="eve", viewer_pass="look", tokens_file=Path("tokens"))
        return Sessions(Login(Settings(backend_dir=tmp_path, http=http)))

    add(file, "bot")
    signature = served().sign("file 1")
    assert served().is_signed("file 1", signature)  # by another server with these tokens
    assert not Sessions(Login(Settings(backend_dir=tmp_path))).is_signed(
        "file 1", signature
    )  # without a secret
    revoke(file, "bot")
    assert not served().is_signed("file 1", signature)
