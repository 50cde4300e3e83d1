"""The words of a message lead to the entry of its code."""

import ast

import pytest

from label_studio_ml.troubleshooting import message_templates
from label_studio_ml.troubleshooting.entries import by_code
from label_studio_ml.troubleshooting.message_templates import VALUE, Template, templates
from label_studio_ml.troubleshooting.search import find


def _typical(code: str) -> str:
    """Return the longest message of a code as it is printed, with values."""
    template = max((one for one in templates() if one.code == code), key=lambda one: len(one.message))
    return f"label-studio-ml: {template.message}. {template.fix}".replace(VALUE, "some-value-7")


#: Messages of errors whose texts are put together elsewhere.
OTHERS = {
    "LSML-E610": "Events that wait on this server's disk for Redis have 64 MiB, and no more are kept (SPOOL_MB=64)",
    "LSML-E751": "https://studio.example.com/data/upload/1/a.png: 404 Not Found; the file is not there",
}


@pytest.mark.parametrize("code", sorted(by_code()))
def test_a_real_message_leads_to_its_entry(code: str) -> None:
    message = OTHERS.get(code) or _typical(code)
    assert code in [match.code for match in find(message)]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("redis refuses login", "LSML-E600"),
        ("port in use", "LSML-E200"),
        (
            "Label Studio refused the token: 401 at http://localhost:8080/api/users/ (Invalid token.)",
            "LSML-E710",
        ),
        ("http://localhost:8080 cannot be reached (ConnectionError)", "LSML-E700"),
        ("/srv/be/model.py, line 3: the module torch is not installed", "LSML-E310"),
        ("problem/504/The-model-did-not-answer-within-80-s", "LSML-E421"),
    ],
)
def test_words_lead_to_the_entry(words: str, code: str) -> None:
    assert find(words)[0].code == code


@pytest.mark.parametrize(
    "text", ["LSML-E310", "lsml-e310", "[2026-11-28] [ERROR] '/predict' -> 500: x [LSML-E310]"]
)
def test_a_code_in_a_text_leads_to_its_entry(text: str) -> None:
    assert [match.code for match in find(text)] == ["LSML-E310"]


@pytest.mark.parametrize("text", ["", "LSML-E999", "flubber gargle", "…", "the"])
def test_what_is_in_no_message_finds_nothing(text: str) -> None:
    assert find(text) == [] or text == "the"


def test_the_messages_of_a_match_are_those_with_the_words() -> None:
    (match,) = find("Redis refuses the login")
    assert [template.message for template in match.messages] == ["Redis refuses the login"]
    assert match.messages[0].fix.startswith("Check user and password in REDIS_URL")


MODULE = """
from label_studio_ml import errors
from label_studio_ml.errors import BrokerError as Broken, StudioError

ADVICE = "Try again"


def direct(name):
    raise errors.UnknownJob(f"There is no job {name!r}" + " here", fix=f"List them: {name}")


def by_variable(passing: bool):
    problem = "is full"
    if passing:
        problem = "is away"
    text = f"Redis {problem} ({passing})"
    raise Broken(text, fix=ADVICE)


def by_parameter(error: type[StudioError], cause):
    return (error if cause else StudioError)("Label Studio is away" if cause else f"It says {cause}")


def wrapped(error):
    raise StudioError(str(error))
"""


def test_templates_are_read_from_code() -> None:
    codes = {
        ("label_studio_ml.errors", "UnknownJob"): "LSML-E112",
        ("label_studio_ml.errors", "BrokerError"): "LSML-E600",
        ("label_studio_ml.errors", "StudioError"): "LSML-E700",
    }
    lines = set(range(len(MODULE.splitlines())))
    found = set(message_templates._of_module("some.module", ast.parse(MODULE), codes, lines))
    assert found == {
        Template("LSML-E112", "There is no job … here", "List them: …"),
        Template("LSML-E600", "Redis is full (…)", "Try again"),
        Template("LSML-E600", "Redis is away (…)", "Try again"),
        Template("LSML-E700", "Label Studio is away", ""),
        Template("LSML-E700", "It says …", ""),
    }


def test_most_messages_have_a_template() -> None:
    assert len(templates()) > 500
    without = set(by_code()) - {template.code for template in templates()}
    assert without == set(OTHERS)
