"""Every setting with a number has a smallest and a largest value, and addresses are checked before anything starts."""

from dataclasses import fields
from typing import Any, get_args, get_type_hints

import pytest

from label_studio_ml.config.file_settings import FileSettings
from label_studio_ml.config.http_settings import HttpSettings
from label_studio_ml.config.redis_variables import RedisVariables
from label_studio_ml.config.settings import Settings
from label_studio_ml.config.tracker_settings import TrackerSettings
from label_studio_ml.config.variables import VARIABLE, Variable, declared
from label_studio_ml.errors import SettingsError
from label_studio_ml.training.redis.redis_client import connect

CLASSES: tuple[type[Any], ...] = (Settings, HttpSettings, FileSettings, TrackerSettings, RedisVariables)


def _is_number(cls: type[Any], name: str) -> bool:
    hint = get_type_hints(cls)[name]
    return bool({int, float} & {hint, *get_args(hint)})


NUMBERS = [
    variable
    for cls in CLASSES
    for name, variable in declared(cls)
    if _is_number(cls, name) and variable.kind.parse.__qualname__.split(".")[0] != "choice"
]


def _name(variable: Variable) -> str:
    return variable.names.split()[0]


@pytest.mark.parametrize("variable", NUMBERS, ids=_name)
def test_a_number_has_limits(variable: Variable) -> None:
    assert variable.kind.limits is not None
    least, most = variable.kind.limits
    name = _name(variable)
    for text in (repr(least), repr(most)):
        value = variable.read({name: text})
        assert variable.read({name: variable.kind.write(value)}) == value
    wrong = (
        repr(least - 1),
        repr(most + 1),
        "1e300",
        "-1e300",
        "1e999",
        "nan",
        "inf",
        "-inf",
        "9" * 5000,
        "x",
    )
    for text in wrong:
        with pytest.raises(SettingsError) as caught:
            variable.read({name: text})
        assert caught.value.field == name
        assert name in caught.value.message
        assert name in caught.value.fix
        assert len(caught.value.message) < 200


def test_settings_that_start_processes_or_threads_have_small_limits() -> None:
    most = {_name(variable): (variable.kind.limits or (0, 0))[1] for variable in NUMBERS}
    assert most["LABEL_STUDIO_ML_MODEL_WORKERS"] == most["LABEL_STUDIO_ML_WORKERS"] == 256
    assert most["LABEL_STUDIO_ML_MAX_LABEL_CONFIGS"] == 256
    assert most["LABEL_STUDIO_ML_THREADS"] == 1024
    assert most["REDIS_PORT"] == 65535


def test_defaults_are_within_the_limits() -> None:
    for cls in CLASSES:
        for each in fields(cls):
            variable = each.metadata.get(VARIABLE)
            if variable in NUMBERS and each.default is not None:
                assert variable.read({_name(variable): variable.kind.write(each.default)}) == each.default


@pytest.mark.parametrize(
    "url",
    [
        "redis://h:65536",
        "redis://h:99999/0",
        "redis://h:-1",
        "redis://h:x",
        "redis://h:0",
        "redis://[::1",
        "redis://h/x",
        "redis://h/-1",
        "redis://h?db=x",
        "redis://h/0/x",
        "redis://h?db=x&db=1",
        "redis://h?socket_timeout=nan",
        "redis://h?health_check_interval=2.5",
        "redis://h?max_connections=1e300",
        "unix://",
        "http://:CANARY@h",
        "redis://:CANARY@h:99999",
    ],
)
def test_what_is_no_address_of_a_redis(url: str) -> None:
    with pytest.raises(SettingsError, match="REDIS_URL") as caught:
        Settings.from_env({"REDIS_URL": url})
    assert caught.value.field == "REDIS_URL"
    assert "redis://redis:6379/0" in caught.value.fix
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize("host", ["redis://h", "h:6379", "::1", "a b", "u@h", "h/0"])
def test_what_is_no_host_of_a_redis(host: str) -> None:
    with pytest.raises(SettingsError, match=r"REDIS_HOST=.* is not a host name or address") as caught:
        Settings.from_env({"REDIS_HOST": host})
    assert caught.value.field == "REDIS_HOST"
    assert Settings.from_env({"REDIS_HOST": "[::1]"}).redis_url == "redis://[::1]:6379/0"


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "redis://h",
        "redis://h:6379/",
        "redis://h:6379/1/",
        "redis://h:6379//1",
        "redis://h?socket_timeout=.5&health_check_interval=30",
        "redis://u:p%40@[::1]:6379/15",
        "rediss://h:1/2?ssl_ca_certs=%2Fca.crt&socket_timeout=2.5",
        "unix:///run/redis.sock?db=3",
        "unix://u:p@/run/redis.sock",
    ],
)
def test_an_address_of_a_redis(url: str) -> None:
    assert Settings.from_env({"REDIS_URL": url}).redis_url == url
    connect(url)  # raises ValueError if redis-py cannot read it


@pytest.mark.parametrize("name", ["LABEL_STUDIO_URL", "LABEL_STUDIO_HOST"])
@pytest.mark.parametrize(
    "url",
    [
        "localhost:8080",
        "label-studio",
        "//ls",
        "ftp://ls",
        "http://",
        "http://:8080",
        "http://ls:99999",
        "http://ls:0",
        "http://ls:x",
        "http://[::1",
        "http://l s",
        "http://ls?a=b",
        "http://ls#a",
    ],
)
def test_what_is_no_address_of_a_label_studio(name: str, url: str) -> None:
    with pytest.raises(SettingsError, match=name) as caught:
        Settings.from_env({name: url})
    assert caught.value.field == name
    assert f"{name}=http://localhost:8080" in caught.value.fix


@pytest.mark.parametrize(
    "url", ["http://ls", "https://ls.example.com:8443/sub/path", "http://[::1]:8080", "HTTP://LS"]
)
def test_an_address_of_a_label_studio(url: str) -> None:
    assert Settings.from_env({"LABEL_STUDIO_URL": f"{url}/"}).studio_url == url
