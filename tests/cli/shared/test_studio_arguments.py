"""What is said when Label Studio's address or its token is not given, or is no address."""

import argparse
from pathlib import Path

import pytest

from label_studio_ml.cli.shared.project_arguments import known_project
from label_studio_ml.cli.shared.studio_arguments import require_studio, with_studio
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import SettingsError, UnknownProject

TOKEN_PLACE = "made in Label Studio under Account & Settings → Personal Access Token"
URL, KEY = "LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY"


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({}, f"--url is missing. Give --url or set {URL}"),
        ({KEY: "k"}, f"--url is missing. Give --url or set {URL}"),
        (
            {URL: "http://ls"},
            f"--api-key-file is missing. Give --api-key-file or set {KEY} to a token, {TOKEN_PLACE}",
        ),
    ],
)
def test_the_missing_option_is_named(env: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        require_studio(Settings.from_env(env))
    assert str(raised.value) == message
    require_studio(Settings.from_env({URL: "http://ls", KEY: "k"}))


@pytest.mark.parametrize(
    ("env", "missing"),
    [({}, f"{URL} and {KEY}"), ({KEY: "k"}, URL), ({URL: "http://ls"}, KEY)],
)
def test_only_what_is_missing_is_to_be_set_for_an_unknown_project(
    tmp_path: Path, env: dict[str, str], missing: str
) -> None:
    with pytest.raises(UnknownProject) as raised:
        known_project(Settings.from_env({**env, "MODEL_DIR": str(tmp_path)}), "7")
    assert raised.value.fix == f"Add the backend to it in Label Studio, or set {missing}"


@pytest.mark.parametrize(
    "url",
    ["localhost:8080", "http://ls:0", "http://ls?a=b", "http://ls/#/projects", "http://l s", "ftp://ls"],
)
def test_an_address_that_child_processes_would_refuse_is_refused(url: str) -> None:
    args = argparse.Namespace(url=url, api_key=None, api_key_file=None)
    with pytest.raises(SettingsError, match=r"^--url is not an address with http") as raised:
        with_studio(args, Settings.from_env({}))
    assert raised.value.field == "--url"
    args.url = " http://ls/sub/ "
    settings = with_studio(args, Settings.from_env({}))
    assert settings.studio_url == "http://ls/sub"
    assert Settings.from_env(settings.to_env()).studio_url == settings.studio_url
