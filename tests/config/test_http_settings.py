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
