"""Which requests are answered: what a page of another site can make a browser send is not."""

import pytest

from label_studio_ml.errors import BackendError, ForeignOrigin, UnknownHost, WrongContentType
from label_studio_ml.web.security.browser_checks import AccessRules

JSON = "application/json"
HERE = {"host": "localhost:9090"}


def outcome(
    rules: AccessRules, method: str, has_body: bool = True, /, **headers: str
) -> type[BackendError] | None:
    """Return the class of the refusal of a request, None if it is answered."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        rules.check(method, named, has_body=has_body)
    except BackendError as error:
        return type(error)
    return None


@pytest.mark.parametrize(
    ("content_type", "good"),
    [
        (JSON, True),
        ("application/json; charset=utf-8", True),
        ("Application/JSON;charset=UTF-8", True),
        ("application/vnd.api+json", True),
        ("", False),
        ("text/plain", False),
        ("text/plain; application/json", False),
        ("application/x-www-form-urlencoded", False),
        ("multipart/form-data; boundary=application/json", False),
        ("application/jsonp", False),
        ("application/json, text/plain", False),
        ("text/json", False),
    ],
)
def test_bodies_are_json(content_type: str, good: bool) -> None:
    rules = AccessRules()
    for _ in range(2):  # the second time it is remembered
        assert outcome(rules, "POST", content_type=content_type) is (None if good else WrongContentType)
    assert outcome(rules, "POST", False, content_type=content_type) is None
    assert outcome(rules, "GET", content_type=content_type) is None


def test_the_refusal_names_the_header_and_the_way_out() -> None:
    with pytest.raises(WrongContentType, match="-H 'Content-Type: application/json'"):
        AccessRules().check("POST", {"content-type": "text/plain"}, has_body=True)
    rules = AccessRules()
    rules.loopback = True
    with pytest.raises(UnknownHost, match=r"'evil.example:9090'.*ALLOWED_HOSTS"):
        rules.check("GET", {"host": "evil.example:9090"}, has_body=False)
    with pytest.raises(ForeignOrigin, match=r"'https://evil.example'.*ALLOWED_HOSTS"):
        rules.check("GET", HERE | {"origin": "https://evil.example"}, has_body=False)


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("localhost", True),
        ("LOCALHOST:9090", True),
        ("localhost.:9090", True),
        ("app.localhost:1", True),
        ("127.0.0.1:9090", True),
        ("127.9.9.9", True),
        ("[::1]:9090", True),
        ("[::1]", True),
        ("192.168.1.5:9090", True),
        ("host.docker.internal:9090", True),
        ("host.containers.internal", True),
        ("evil.example", False),
        ("evil.example:9090", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("evil-localhost", False),
        ("0x7f000001", False),
        ("host.docker.internal.evil.example", False),
        ("backend", False),
    ],
)
def test_hosts_on_a_loopback_address(host: str, known: bool) -> None:
    rules = AccessRules()
    assert outcome(rules, "POST", content_type=JSON, host=host) is None, "elsewhere the names are not known"
    rules.loopback = True
    for _ in range(2):
        assert outcome(rules, "POST", content_type=JSON, host=host) is (None if known else UnknownHost)
        assert outcome(rules, "GET", False, host=host) is (None if known else UnknownHost)


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("evil.example", False),
        ("evil.example:9090", False),
        ("127.0.0.1.evil.example", False),
        ("evil.", True),
        ("localhost:9090", True),
        ("127.0.0.1:9090", True),
        ("192.168.1.5:9090", True),
        ("[fd00::5]:9090", True),
        ("host.docker.internal:9090", True),
        ("backend:9090", True),
    ],
)
def test_hosts_that_a_browser_asks_where_the_server_listens_on_all_addresses(host: str, known: bool) -> None:
    """A page whose own name is made to point here (DNS rebinding) has that name as Host, and as Origin."""
    refused = None if known else UnknownHost
    same = {"origin": f"http://{host}", "accept_language": "de"}
    for _ in range(2):  # the second time it is remembered
        assert outcome(AccessRules(), "POST", content_type=JSON, host=host, **same) is refused
    assert outcome(AccessRules(), "GET", False, host=host, sec_fetch_site="same-origin") is refused
    assert outcome(AccessRules(), "GET", False, host=host, accept_language="") is refused, "plain HTTP"
    assert outcome(AccessRules(), "GET", False, host=host) is None, "no browser"
    assert outcome(AccessRules(), "POST", content_type=JSON, host=host) is None, "no browser"
    assert outcome(AccessRules(("*",)), "POST", content_type=JSON, host=host, **same) is None


def test_a_short_name_that_was_accepted_for_a_browser_is_not_where_names_are_given() -> None:
    rules = AccessRules()
    assert outcome(rules, "GET", False, host="backend", accept_language="de") is None
    rules.loopback = True
    assert outcome(rules, "GET", False, host="backend", accept_language="de") is UnknownHost
    named = AccessRules(("ml.example.com",))
    assert outcome(named, "GET", False, host="backend", accept_language="de") is UnknownHost
    assert outcome(named, "GET", False, host="ml.example.com", accept_language="de") is None


@pytest.mark.parametrize("loopback", [False, True])
@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("ml.example.com", True),
        ("ML.example.com:8443", True),
        ("a.internal.example", True),
        ("internal.example", True),
        ("a.dots.example", True),
        ("x.ml.example.com", False),
        ("notinternal.example", False),
        ("evil.example", False),
        ("10.0.0.7:9090", True),
        ("localhost", True),
    ],
)
def test_hosts_that_are_named(host: str, known: bool, loopback: bool) -> None:
    rules = AccessRules(("ml.example.com", ".internal.example", "*.dots.example"))
    rules.loopback = loopback
    assert outcome(rules, "POST", content_type=JSON, host=host) is (None if known else UnknownHost)


def test_any_host() -> None:
    rules = AccessRules(("*",))
    rules.loopback = True
    assert outcome(rules, "POST", content_type=JSON, host="evil.example") is None
    assert (
        outcome(rules, "POST", content_type=JSON, host="ml.example", origin="http://evil.example")
        is ForeignOrigin
    )


@pytest.mark.parametrize(
    ("method", "headers", "refused"),
    [
        ("POST", {}, False),
        ("POST", {"origin": "http://localhost:9090"}, False),
        ("POST", {"origin": "http://localhost:9090", "sec_fetch_site": "same-origin"}, False),
        ("GET", {"sec_fetch_site": "none", "sec_fetch_mode": "navigate"}, False),
        ("POST", {"origin": "null"}, True),
        ("POST", {"origin": "null", "sec_fetch_site": "cross-site"}, True),
        ("POST", {"origin": "http://evil.example"}, True),
        ("POST", {"origin": "http://localhost:8080"}, True),
        ("POST", {"origin": "http://localhost"}, True),
        ("POST", {"origin": "http://127.0.0.1:9090"}, True),
        ("POST", {"origin": "file://"}, True),
        ("POST", {"origin": ""}, True),
        ("POST", {"origin": "http://localhost:9090", "sec_fetch_site": "cross-site"}, True),
        ("POST", {"sec_fetch_site": "cross-site"}, True),
        ("POST", {"sec_fetch_site": "same-site"}, True),
        ("POST", {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}, True),
        ("GET", {"origin": "http://evil.example"}, True),
        ("GET", {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors"}, True),
        ("GET", {"sec_fetch_site": "same-site", "sec_fetch_mode": "cors"}, True),
        # Label Studio's pages link to the page that says what went wrong.
        ("GET", {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}, False),
        ("HEAD", {"sec_fetch_site": "same-site", "sec_fetch_mode": "navigate"}, False),
    ],
)
@pytest.mark.parametrize("has_body", [False, True])
def test_pages_of_other_sites(method: str, headers: dict[str, str], refused: bool, has_body: bool) -> None:
    named = {"host": "localhost:9090", "content_type": JSON, **headers}
    assert outcome(AccessRules(), method, has_body, **named) is (ForeignOrigin if refused else None)


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("https://ml.example", "ml.example", True),
        ("https://ml.example", "ml.example:443", True),
        ("http://ml.example", "ML.example:80", True),
        ("http://[::1]:9090", "[::1]:9090", True),
        ("https://ml.example:8443", "ml.example", False),
        ("http://ml.example:443", "ml.example", False),
    ],
)
def test_an_origin_is_compared_with_the_host(origin: str, host: str, same: bool) -> None:
    refused = outcome(AccessRules(("*",)), "POST", content_type=JSON, origin=origin, host=host)
    assert refused is (None if same else ForeignOrigin)


def test_behind_a_proxy_that_puts_in_another_host_its_own_origin_can_be_named() -> None:
    headers = {"origin": "https://ml.example.com", "host": "127.0.0.1:9090", "content_type": JSON}
    assert outcome(AccessRules(), "POST", True, **headers) is ForeignOrigin
    for site in ("same-origin", "cross-site"):
        named = AccessRules(("ml.example.com",))
        assert outcome(named, "POST", True, sec_fetch_site=site, **headers) is None


def test_what_is_remembered_is_bounded() -> None:
    rules = AccessRules()
    rules.loopback = True
    for number in range(2000):
        host, kind = f"{number}.example", f"text/{number}"
        assert outcome(rules, "POST", content_type=JSON, host=host) is UnknownHost
        assert outcome(rules, "POST", content_type=kind, host="localhost") is WrongContentType
    assert len(rules._hosts) <= 256 >= len(rules._types)
