"""What is said when it is not known how to log in to a project's Label Studio."""

import logging

import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import StudioError
from label_studio_ml.model_calls.project_login import studio_arguments, studio_login, warn_unused_token
from label_studio_ml.versions.state.project_state import Project

BOTH = "LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY"


@pytest.mark.parametrize(
    ("hostname", "env", "message", "advice"),
    [
        ("", {}, "Label Studio's address is not known", BOTH),
        ("http://theirs", {}, "Label Studio's token is not known", BOTH),
        (
            "",
            {"LABEL_STUDIO_URL": "http://ours"},
            "Label Studio's token is not known",
            "LABEL_STUDIO_API_KEY",
        ),
    ],
)
def test_what_is_missing_is_named(hostname: str, env: dict[str, str], message: str, advice: str) -> None:
    with pytest.raises(StudioError) as caught:
        studio_arguments(Project(uid="1", hostname=hostname), Settings.from_env(env), instead="do without")
    assert (caught.value.message, caught.value.fix) == (message, f"Set {advice}, or do without")


@pytest.mark.parametrize("hostname", ["", "http://theirs"])
def test_a_token_without_an_address_is_reported_once(caplog: pytest.LogCaptureFixture, hostname: str) -> None:
    settings = Settings.from_env({"LABEL_STUDIO_API_KEY": "k" * 40})
    with caplog.at_level(logging.WARNING), pytest.raises(StudioError) as caught:
        studio_arguments(Project(uid="1", hostname=hostname), settings, instead="give --url")
    assert caught.value.message == "LABEL_STUDIO_API_KEY is set, but not of which Label Studio the token is"
    assert caught.value.fix == "Set LABEL_STUDIO_URL, too, or give --url"
    assert caplog.records == [], "the warning says the same"


def test_a_token_that_is_not_used_is_told_once_in_a_process(caplog: pytest.LogCaptureFixture) -> None:
    warn_unused_token.cache_clear()
    settings = Settings.from_env({"LABEL_STUDIO_API_KEY": "k" * 40})
    with caplog.at_level(logging.WARNING):
        for uid in ("1", "2"):
            project = Project(uid=uid, hostname="http://theirs", access_token="t")
            assert studio_login(project, settings) == ("http://theirs", "t")
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "LABEL_STUDIO_API_KEY is not used"
    ]
