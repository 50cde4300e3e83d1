"""The settings for task files."""

from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.config.file_settings import FileSettings
from label_studio_ml.errors import SettingsError


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, {}),
        ({"FILES_CACHE_MB": "1.5"}, {"cache_bytes": 3 << 19}),
        ({"FILES_MAX_MB": "1"}, {"max_bytes": 1 << 20}),
        ({"FILES_TIMEOUT": "9"}, {"timeout": 9.0}),
        ({"FILES_ALLOW_PRIVATE": "true"}, {"private": ("*",)}),
        ({"FILES_ALLOW_PRIVATE": "no"}, {}),
        ({"FILES_ALLOW_PRIVATE": "Images, 10.0.0.0/8"}, {"private": ("images", "10.0.0.0/8")}),
        ({"FILES_CLOUD_ROOTS": "s3://a/b,gs://c"}, {"cloud_roots": ("s3://a/b", "gs://c")}),
        ({"FILES_CLOUD_ROOTS": "none"}, {"cloud_roots": ("none",)}),
        ({"AWS_PROFILE": "me"}, {"cloud": frozenset({"s3"})}),
        ({"GOOGLE_APPLICATION_CREDENTIALS": "f"}, {"cloud": frozenset({"gs"})}),
        ({"AZURE_STORAGE_CONNECTION_STRING": "c"}, {"cloud": frozenset({"azure-blob"})}),
    ],
)
def test_values(environ: dict[str, str], expected: dict[str, Any]) -> None:
    assert FileSettings.from_env(environ) == FileSettings(**expected)


@pytest.mark.parametrize(
    "environ",
    [
        {"FILES_CACHE_MB": "0"},
        {"FILES_MAX_MB": "much"},
        {"FILES_TIMEOUT": "-1"},
        {"FILES_TIMEOUT": "nan"},
        {"FILES_CLOUD_ROOTS": "bucket"},
        {"FILES_CLOUD_ROOTS": "http://bucket"},
    ],
)
def test_a_bad_value_names_the_variable(environ: dict[str, str]) -> None:
    (name,) = environ
    with pytest.raises(SettingsError, match=name) as caught:
        FileSettings.from_env(environ)
    assert caught.value.field == name


def test_credentials_in_the_home_folder(tmp_path: Path) -> None:
    assert FileSettings.from_env({}, tmp_path).cloud == frozenset()
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").touch()
    assert FileSettings.from_env({}, tmp_path).cloud == {"s3"}
