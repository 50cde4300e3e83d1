"""URLs of one server in several spellings."""

import pytest

from label_studio_ml.support.server_urls import canonical, same_server


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://localhost:9090/", "http://127.0.0.1:9090", True),
        ("http://[::1]:9090", "http://localhost:9090", True),
        ("HTTP://Host:80", "http://host/", True),
        ("https://host:443/x/", "https://host/x", True),
        ("http://host:9090", "http://host:9091", False),
        ("http://host/a", "http://host/b", False),
        ("http://host", "https://host", False),
        ("http://host:99999", " http://host:99999", True),
        ("http://host:99999", "http://host:9999", False),
        ("http://[x", "http://host", False),
    ],
)
def test_same_address(one: str, other: str, same: bool) -> None:
    assert (canonical(one) == canonical(other)) is same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://127.0.0.1:9090", "https://localhost:9090/ml", True),
        ("https://127.0.0.1", "https://LOCALHOST:443/", True),
        ("https://127.0.0.1:9090", "http://localhost:9090", False),
        ("https://127.0.0.1:9090", "https://localhost:9091", False),
        ("https://127.0.0.1:9090", "https://ml.example.com:9090", False),
        ("https://127.0.0.1:99999", "https://localhost:99999", False),
    ],
)
def test_one_server_below_several_names(one: str, other: str, same: bool) -> None:
    assert same_server(one, other) is same
