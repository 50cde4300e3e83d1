"""The dashboard as part of an application: the page, its headers, login, roles, and topics without events."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.dashboard.dashboard_page import FOLDER
from label_studio_ml.runtime.wsgi_application import BackendApp
from tricky import Tricky
from tricky_apps import MakeApp, applications

pytestmark = pytest.mark.usefixtures("clean_env")

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": "en"}


@pytest.fixture
def make_app(tmp_path: Path) -> Iterator[MakeApp]:
    with applications(Tricky(tmp_path / "backend")) as make:
        yield make


@pytest.fixture
def with_logins(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> BackendApp:
    monkeypatch.setenv("VIEWER_USER", "eve")
    monkeypatch.setenv("VIEWER_PASS", "look")
    return make_app(basic_auth_user="ada", basic_auth_pass="secret")


def content(answer: Any) -> Any:
    """Return the JSON value of an answer."""
    return json.loads(answer.data)


def log_in(client: Any, **fields: str) -> Any:
    return client.post("/dashboard/api/login", json=fields)


def test_browsers_get_the_page_and_all_others_json_as_before(make_app: MakeApp) -> None:
    client = make_app().test_client()
    page = client.get("/", headers=BROWSER)
    assert page.status_code == 200
    assert page.content_type.startswith("text/html")
    assert page.headers["Vary"] == "Accept"
    assert b'src="dashboard/static/app.js"' in page.data
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        assert content(client.get("/", headers=headers))["status"] == "UP"


def test_the_page_may_load_nothing_from_elsewhere_and_run_nothing_inline(make_app: MakeApp) -> None:
    client = make_app().test_client()
    for path in ("/", "/dashboard/static/app.js", "/dashboard/static/styles/app.css"):
        answer = client.get(path, headers=BROWSER)
        assert answer.status_code == 200
        policy = dict(rule.split(" ", 1) for rule in answer.headers["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_no_file_of_the_page_names_an_address_elsewhere() -> None:
    allowed = ("http://www.w3.org/", "https://picocss.com", "https://github.com/leeoniya/uPlot")
    for file in FOLDER.rglob("*"):
        if file.suffix in (".js", ".css", ".html") and "LICENSE" not in file.name:
            text = file.read_text(encoding="utf-8")
            for scheme in ("http://", "https://"):
                for piece in text.split(scheme)[1:]:
                    assert f"{scheme}{piece}".startswith((*allowed, f"{scheme}$", f"{scheme}localhost")), (
                        file.name,
                        piece[:60],
                    )


def test_no_module_of_ours_interprets_text_as_markup_or_code() -> None:
    forbidden = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", " eval(", "new Function")
    # The contents of HyperText are parsed in a document without a window, where nothing loads or runs.
    exempt = FOLDER / "drawings" / "parts" / "html-content.js"
    for file in FOLDER.rglob("*.js"):
        if "vendor" not in file.parts and file != exempt:
            text = re.sub(r"(?s:/\*.*?\*/)|//[^\n]*", "", file.read_text(encoding="utf-8"))
            assert not [word for word in forbidden if word in text], file.name


def test_the_page_needs_no_login_and_its_data_do(with_logins: BackendApp) -> None:
    client = with_logins.test_client()
    assert client.get("/", headers=BROWSER).status_code == 200
    assert client.get("/").status_code == 401
    refused = client.get("/dashboard/api/topic?key=now")
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == "Session"  # "Basic" would open a window of the browser
    assert content(client.get("/dashboard/api/session")) == {"role": "", "login_required": True}


def test_log_in_and_out(with_logins: BackendApp) -> None:
    client = with_logins.test_client()
    assert log_in(client, user="ada", password="wrong").status_code == 401
    session = content(log_in(client, user="ada", password="secret"))
    assert (session["user"], session["role"]) == ("ada", "operator")
    assert content(client.get("/dashboard/api/session")) == session
    assert client.get("/jobs").status_code == 401  # the API itself takes no cookie
    assert client.post("/dashboard/api/logout", json={}).status_code == 403  # without X-CSRF-Token
    assert (
        client.post("/dashboard/api/logout", json={}, headers={"X-CSRF-Token": session["csrf"]}).status_code
        == 200
    )
    assert content(client.get("/dashboard/api/session"))["role"] == ""


def test_the_viewer_has_a_role_of_its_own(with_logins: BackendApp) -> None:
    client = with_logins.test_client()
    session = content(log_in(client, user="eve", password="look"))
    assert session["role"] == "viewer"
    refused = client.post("/predict", json={"tasks": []}, auth=("eve", "look"))
    assert refused.status_code == 403
    assert client.get("/jobs", auth=("eve", "look")).status_code == 200


@pytest.mark.parametrize("fields", [{"user": 1}, {"password": None}, {"token": []}])
def test_a_login_that_is_no_text_is_refused(with_logins: BackendApp, fields: dict[str, Any]) -> None:
    answer = with_logins.test_client().post("/dashboard/api/login", json=fields)
    assert answer.status_code == 400


def test_other_sites_cannot_log_in(with_logins: BackendApp) -> None:
    client = with_logins.test_client()
    body = json.dumps({"user": "ada", "password": "secret"})
    foreign = {"Origin": "https://evil.example", "Content-Type": "application/json"}
    assert client.post("/dashboard/api/login", data=body, headers=foreign).status_code == 403
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert client.post("/dashboard/api/login", data=body, headers=form).status_code == 415


def test_links_of_other_sites_lead_to_the_page_only(with_logins: BackendApp) -> None:
    """An answer of the API may have this server fetch a file: without a login, any page could ask for it."""
    client = with_logins.test_client()
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
    assert client.get("/", headers=headers).status_code == 200
    for path in ("session", "trial/file?ref=a&sig=b"):
        assert client.get(f"/dashboard/api/{path}", headers=headers).status_code == 403
        own = {**headers, "Sec-Fetch-Site": "same-origin"}
        assert client.get(f"/dashboard/api/{path}", headers=own).status_code != 403


def test_where_no_events_can_be_sent_topics_are_read_one_by_one(make_app: MakeApp) -> None:
    client = make_app().test_client()
    assert content(client.get("/dashboard/api/session"))["streams"] is False
    assert client.get("/dashboard/api/events?topics=now").status_code == 501
    assert client.get("/dashboard/api/topic?key=nothing").status_code == 400


def test_addresses_of_the_page_without_a_slash_lead_to_it(make_app: MakeApp) -> None:
    client = make_app().test_client()
    assert client.get("/dashboard", headers=BROWSER).headers["Location"] == "./"
    assert client.get("/dashboard/", headers=BROWSER).headers["Location"] == "../"
    assert client.get("/dashboard/static/../dashboard_app.py", headers=BROWSER).status_code == 404
    assert client.get("/dashboard/static/nothing.js").status_code == 404


def test_below_a_path_the_page_needs_a_slash_at_the_end(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROOT_PATH", "/ml")
    client = make_app().test_client()
    assert client.get("/ml", headers=BROWSER).headers["Location"] == "ml/"
    assert client.get("/ml/", headers=BROWSER).status_code == 200
    assert client.get("/ml/dashboard/static/app.js").status_code == 200
    assert client.get("/ml/dashboard/api/session").status_code == 200
