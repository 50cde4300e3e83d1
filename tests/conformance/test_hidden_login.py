"""The report never has the backend's password, even if the backend repeats it."""

from typing import BinaryIO

import pytest

from label_studio_ml.conformance.first_contact import NoBackend
from label_studio_ml.conformance.hidden_login import hide_login
from studio.fake import Asked, Reply

from .fake_backend import FakeBackend
from .trials import outcomes_of, trial_of

LOGIN = ("me", "pass/word")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("login me:pass/word", "login me:…"),
        ("http://me:pass%2Fword@host", "http://me:…@host"),
        ("Basic bWU6cGFzcy93b3Jk", "Basic …"),
        ("nothing", "nothing"),
    ],
)
def test_a_password_is_hidden_in_each_form(text: str, shown: str) -> None:
    assert hide_login(text, LOGIN) == shown


def test_a_short_password_is_hidden_as_a_word() -> None:
    assert hide_login("pw of pwd", ("me", "pw")) == "… of pwd"
    assert hide_login("pw", None) == hide_login("pw", ("me", "")) == "pw"


@pytest.mark.parametrize("in_address", [True, False])
def test_an_answer_that_repeats_the_login_is_shown_without_it(in_address: bool) -> None:
    def repeats(fake: FakeBackend, asked: Asked) -> Reply:
        return Reply(200, f"you are me:pass/word, {asked.authorization}".encode())

    with FakeBackend() as backend:
        backend.answers["/setup"] = repeats
        url = backend.url.replace("//", "//me:pass%2Fword@") if in_address else backend.url
        shown = str(outcomes_of(trial_of(url, login=None if in_address else LOGIN), ["setup"]))
    assert "you are me:…, Basic …" in shown


def refuse(stream: BinaryIO) -> None:
    stream.write(b"HTTP/1.1 401 not pass/word\r\n\r\n")


def test_a_refusal_that_repeats_the_login_is_shown_without_it() -> None:
    with FakeBackend() as backend:
        backend.login = ("you", "other")
        backend.on("/setup", Reply(raw=refuse))
        with pytest.raises(NoBackend, match="refuses the login: 401 not …"):
            outcomes_of(trial_of(backend.url, login=LOGIN))
