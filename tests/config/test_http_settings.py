"""Settings of the HTTP server, from an environment and back."""

import pytest

from label_studio_ml.config.http_settings import DEFAULT_MAX_IN_FLIGHT, HttpSettings
from label_studio_ml.errors import SettingsError


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ()),
        (" , ", ()),
        ("ML.example.com", ("ml.example.com",)),
        ("ml.example.com:8443, backend", ("ml.example.com", "backend")),
        (".example.com,*.internal,*", (".example.com", "*.internal", "*")),
    ],
)
def test_allowed_hosts(text: str, names: tuple[str, ...]) -> None:
    settings = HttpSettings.from_env({"ALLOWED_HOSTS": text})
    assert settings == HttpSettings(names, DEFAULT_MAX_IN_FLIGHT)
    assert HttpSettings.from_env({name: str(value) for name, value in settings.to_env().items()}) == settings


@pytest.mark.parametrize("text", ["http://a", "a/b", "a b", "a,http://b/", "a:b", "**", "a.*"])
def test_what_is_no_host_name(text: str) -> None:
    with pytest.raises(SettingsError, match=r"ALLOWED_HOSTS.*is not a host name") as error:
        HttpSettings.from_env({"ALLOWED_HOSTS": text})
    assert error.value.field == "ALLOWED_HOSTS"


def test_max_in_flight() -> None:
    assert HttpSettings.from_env({"LABEL_STUDIO_ML_MAX_IN_FLIGHT": "4096"}).max_in_flight == 4096
    with pytest.raises(SettingsError, match="LABEL_STUDIO_ML_MAX_IN_FLIGHT"):
        HttpSettings.from_env({"LABEL_STUDIO_ML_MAX_IN_FLIGHT": "10"})


@pytest.mark.parametrize(("text", "path"), [("/ml", "/ml"), ("/a/b.c/", "/a/b.c"), ("/", ""), ("", "")])
def test_root_path(text: str, path: str) -> None:
    settings = HttpSettings.from_env({"ROOT_PATH": text})
    assert settings.root_path == path
    assert HttpSettings.from_env(settings.to_env()) == settings


@pytest.mark.parametrize(
    "text",
    [
        "ml",
        "//",
        "//evil",
        "/a//b",
        "/ml//",
        "/a b",
        "/a?b",
        "/a#b",
        "/../x",
        "/a/..",
        "/./a",
        "/a/.",
        "/%2e%2e/x",
        "/ü",
        "http://a/ml",
    ],
)
def test_what_is_no_root_path(text: str) -> None:
    with pytest.raises(SettingsError, match=r"ROOT_PATH: .* is not a path"):
        HttpSettings.from_env({"ROOT_PATH": text})


def test_trusted_proxies() -> None:
    settings = HttpSettings.from_env({"TRUSTED_PROXIES": "127.0.0.1, 10.1.2.3/8,::1"})
    assert [str(network) for network in settings.trusted_proxies] == ["127.0.0.1/32", "10.0.0.0/8", "::1/128"]
    assert HttpSettings.from_env(settings.to_env()) == settings
    with pytest.raises(SettingsError, match="'nginx' is not an IP address"):
        HttpSettings.from_env({"TRUSTED_PROXIES": "127.0.0.1,nginx"})
