"""The report never has the backend's password, even if the backend repeats it."""

import base64
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
        ("http://me:pass%2fword@host", "http://me:…@host"),
        ("Basic bWU6cGFzcy93b3JkLXdyb25n and more", "Basic … and more"),
        ("nothing", "nothing"),
    ],
)
def test_a_password_is_hidden_in_each_form(text: str, shown: str) -> None:
    assert hide_login(text, LOGIN) == shown


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("ending", ["", "-wrong", "xx", "x"])
def test_a_login_is_hidden_in_both_encodings(encoding: str, ending: str) -> None:
    header = base64.b64encode(f"me:pässword{ending}".encode(encoding)).decode()
    assert hide_login(f"Basic {header}, that is all", ("me", "pässword")) == "Basic …, that is all"


def test_a_login_of_a_few_characters_is_hidden() -> None:
    assert hide_login("Basic bWU6cA== bWU6", ("me", "p")) == "Basic … bWU6"


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
