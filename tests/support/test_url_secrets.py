"""Logins and query values in URLs and in texts with URLs."""

import pytest

from label_studio_ml.support.url_secrets import mask, mask_in_text, page_url, secrets_of, without_login

#: URLs with a login, and what they are without it.
LOGINS = [
    ("https://user:CANARY@host/path", "https://host/path"),
    ("https://user:CA@NARY@host:8080/path", "https://host:8080/path"),
    ("https://user:CANARY/CANARY@host/path", "https://host/path"),
    ("https://user:CANARY#CANARY@host/path", "https://host/path"),
    ("https://user:CANARY?CANARY@host/path", "https://host/path"),
    ("https://user:#CANARY@host", "https://host"),
    ("redis://:12/CANARY@host:6379/0", "redis://host:6379/0"),
    ("postgresql+psycopg://user:CANARY@host/db", "postgresql+psycopg://host/db"),
    ("http://user:CANARY@[::1]:5000", "http://[::1]:5000"),
    ("http://user:CANARY@[broken", "http://[broken"),
    ("//user:CANARY@host/path", "//host/path"),
]
#: URLs in which an `@` is no sign of a login.
NO_LOGINS = [
    "http://host:5000/path",
    "http://localhost:8080/data/upload/1/photo@2x.png",
    "http://[::1]:8080/photo@2x.png",
    "http://[::1]/photo@2x.png",
    "https://host/@user/a",
    "sqlite:////folder/a@b/mlflow.db",
    "s3://bucket/a:b@c",
]


@pytest.mark.parametrize(("url", "clean"), LOGINS)
def test_a_login_is_removed_and_masked(url: str, clean: str) -> None:
    masked = clean.replace("//", "//…@", 1)
    assert without_login(url) == clean
    assert mask(url) == masked
    if "://" in url:
        assert mask_in_text(f"GET '{url}' failed; ask me@example.com") == (
            f"GET '{masked}' failed; ask me@example.com"
        )


@pytest.mark.parametrize("url", NO_LOGINS)
def test_what_is_no_login_stays(url: str) -> None:
    assert without_login(url) == mask(url) == mask_in_text(url) == url


@pytest.mark.parametrize("password", ["123/CANARY", "12345/6", "1#CANARY", "12/CA@NARY"])
def test_a_password_that_begins_like_a_port_is_masked_but_not_removed(password: str) -> None:
    """Such a URL may also be one of a host with a port: then removing its beginning would lead to another host."""
    url = f"redis://user:{password}@host:6379/0"
    assert mask(url) == mask_in_text(url) == "redis://…@host:6379/0"
    assert without_login(url) == url
    assert secrets_of(url)[0] == password


@pytest.mark.parametrize(
    "url",
    [
        "http://minio:9000/bucket/photo@2x.png",
        "s3://minio:9000/a@1.5x",
        "redis://10.0.0.1:80/a@b/c",
        "http://label-studio:8080/data/upload/1/me@home.jpg",
        "HTTPS://user:123/4@host",
    ],
)
def test_a_host_with_a_port_stays_where_that_is_clear(url: str) -> None:
    assert mask(url) == mask_in_text(url) == url
    assert secrets_of(url) in ([], [""])


def test_an_at_sign_after_a_login_may_be_part_of_the_password() -> None:
    url = "https://user:CA@NARY/CANARY@host/path?email=me@example.com"
    assert mask(url) == "https://…@host/path?email=…"
    assert mask_in_text(url) == "https://…@host/path?email=…"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h/p?X-Amz-Signature=abc&d=x", "https://h/p?X-Amz-Signature=…&d=x"),
        ("https://user:pass@h/p#frag", "https://…@h/p"),
        ("https://h/p?tokenonly", "https://h/p?…"),
        ("https://h/p?fileuri=http://u:p@b/c&page=2", "https://h/p?fileuri=http://…@b/c&page=2"),
        ("https://user:pass word@h/p", "https://…@h/p"),
        ("data:image/png;base64,AAAA", "data:image/png;base64,… (26 characters)"),
        ("line\nbreak", "line�break"),
    ],
)
def test_a_url_in_a_message(url: str, shown: str) -> None:
    assert mask(url) == shown


def test_a_url_in_a_message_is_short() -> None:
    assert len(mask("https://h/" + "x" * 1000)) == 200


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a http://u:p@h and b s3://u:p/q@b/c", "a http://…@h and b s3://…@b/c"),
        ("x=http://u:p@h,http://h.example:80/a@b", "x=http://…@h,http://h.example:80/a@b"),
        ("('redis://u:12/34@h')", "('redis://…@h')"),
        ("http://h:80/1/me@home.jpg,redis://u:1/2@h", "http://h:80/1/me@home.jpg,redis://…@h"),
        ("('http://h/p?token=abc&page=2')", "('http://h/p?token=…&page=2')"),
        ('{"u": "http://h/p?token=abc#x"}', '{"u": "http://h/p?token=…"}'),
        ("no URL: a@b?c=d", "no URL: a@b?c=d"),
    ],
)
def test_urls_in_a_text(text: str, shown: str) -> None:
    assert mask_in_text(text) == shown


def test_a_page_has_no_query() -> None:
    assert page_url("https://user:pa?ss@host/path?token=x#f") == "https://host/path"


def test_the_secrets_of_a_url_are_given_as_they_are_and_decoded() -> None:
    url = "https://user:CANARY%201/2@host/path?password=CANARY%203&table=x#f"
    assert secrets_of(url) == ["CANARY%201/2", "CANARY 1/2", "CANARY%203", "CANARY 3"]
    assert [text for text in secrets_of("https://host:80/path") if text] == []


@pytest.mark.parametrize(
    "url",
    [
        "https://CANARY@host/path",
        "https://CANARY:@host",
        "https://CANARY:x-oauth-basic@github.com/o/r",
        "https://default:CANARY@host",
        "https://git:CANARY@host",
    ],
)
def test_a_token_may_be_the_user(url: str) -> None:
    assert secrets_of(url) == ["CANARY"]


@pytest.mark.parametrize("url", ["redis://default@host:6379/0", "ssh://git@host/path", "https://user:@host"])
def test_a_usual_user_is_no_token(url: str) -> None:
    assert [text for text in secrets_of(url) if text] == []
